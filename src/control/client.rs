//! The asking side: plain blocking IO, so that a command answers at once.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Answer, Failure, Instance, LINE_BYTES_MAX, Request, instance::InstanceError, socket};

/// How long an agent may take from its lock to its socket before it counts as absent.
const START_WAIT: Duration = Duration::from_secs(2);
const RETRY_EVERY: Duration = Duration::from_millis(20);

/// A connection to the running agent.
pub struct Client {
    reader: BufReader<Box<dyn Read>>,
    writer: Box<dyn Write>,
}

impl Client {
    /// Connects to the agent of these folders; `None` when none runs. An agent that is just starting is waited for.
    ///
    /// # Errors
    /// What the system said when the socket is there but cannot be used.
    pub fn connect(run: &Path) -> io::Result<Option<Self>> {
        let began = Instant::now();
        loop {
            match socket::connect_blocking(run) {
                Ok(stream) => return Self::new(stream).map(Some),
                Err(error) if !is_absence(&error) => return Err(error),
                Err(_) if began.elapsed() < START_WAIT && is_starting(run) => pause(),
                Err(_) => return Ok(None),
            }
        }
    }

    /// The same, where having no agent is a failure.
    ///
    /// # Errors
    /// [`Code::NoAgent`](super::Code::NoAgent) when none runs.
    pub fn require(run: &Path) -> Result<Self, Failure> {
        match Self::connect(run) {
            Ok(Some(client)) => Ok(client),
            Ok(None) => Err(Failure::no_agent()),
            Err(error) => Err(unreachable(&error)),
        }
    }

    #[cfg(unix)]
    fn new(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        Ok(Self {
            writer: Box::new(stream.try_clone()?),
            reader: BufReader::new(Box::new(stream)),
        })
    }

    #[cfg(windows)]
    fn new(stream: std::fs::File) -> io::Result<Self> {
        Ok(Self {
            writer: Box::new(stream.try_clone()?),
            reader: BufReader::new(Box::new(stream)),
        })
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// What the agent answered, or that it is gone.
    pub fn ask(&mut self, request: &Request) -> Result<Value, Failure> {
        let sent = self.send(request);
        // An agent that has no place for us says so and hangs up, whatever is asked.
        match self.receive()? {
            Some(value) => Ok(value),
            None => sent.and(Err(Failure::failed("The agent ended before it answered."))),
        }
    }

    /// Sends a request whose answers are read with [`receive`](Self::receive).
    ///
    /// # Errors
    /// That the agent is gone.
    pub fn send(&mut self, request: &Request) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(request)
            .map_err(|error| Failure::failed(format!("Could not write the request: {error}.")))?;
        line.push(b'\n');
        self.writer
            .write_all(&line)
            .and_then(|()| self.writer.flush())
            .map_err(|error| unreachable(&error))
    }

    /// The next answer; `None` when the agent has hung up.
    ///
    /// # Errors
    /// What the agent answered, or what broke.
    pub fn receive(&mut self) -> Result<Option<Value>, Failure> {
        let mut line = Vec::new();
        let mut limited = (&mut self.reader).take(LINE_BYTES_MAX as u64);
        match limited.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(unreachable(&error)),
        }
        match serde_json::from_slice(&line) {
            Ok(Answer::Ok(value)) => Ok(Some(value)),
            Ok(Answer::Error(failure)) => Err(failure),
            Err(error) => Err(Failure::failed(format!(
                "The agent's answer was not understood ({error}). It may be of another version: `nexus quit`, then start it again."
            ))),
        }
    }
}

fn unreachable(error: &io::Error) -> Failure {
    Failure::failed(format!("The agent could not be reached: {error}."))
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// Somebody holds the lock but does not listen yet.
fn is_starting(run: &Path) -> bool {
    run.is_dir() && matches!(Instance::claim(run), Err(InstanceError::Taken))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a short-lived command without a runtime waits for another process"
)]
fn pause() {
    std::thread::sleep(RETRY_EVERY);
}
