//! The asking side: plain blocking IO, so that a command answers at once.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;
use zeroize::Zeroizing;

use super::{Answer, Failure, Instance, LINE_BYTES_MAX, Request, instance::InstanceError, socket};

/// How long an agent may take from its lock to its socket before it counts as absent.
const START_WAIT: Duration = Duration::from_secs(2);
const RETRY_EVERY: Duration = Duration::from_millis(20);

/// A connection to the running agent.
pub struct Client {
    reader: BufReader<Box<dyn Read + Send>>,
    writer: Box<dyn Write + Send>,
}

impl Client {
    /// Connects to the agent of these folders; `None` when none runs. An agent that is just starting is waited for.
    ///
    /// # Errors
    /// What the system said when the socket is there but cannot be used, or why it is not trusted: passwords are sent
    /// over it, so neither its folder nor its other end may be anybody else's.
    pub fn connect(run: &Path) -> io::Result<Option<Self>> {
        if !run.exists() {
            return Ok(None);
        }
        kit::dirs::check_private(run).map_err(io::Error::other)?;
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
        let listens = os::peer_uid(std::os::fd::AsFd::as_fd(&stream))?;
        check_user(listens, os::effective_uid())?;
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
        let line = serde_json::to_vec(request)
            .map_err(|error| Failure::failed(format!("Could not write the request: {error}.")))?;
        // It may hold a password.
        let mut line = Zeroizing::new(line);
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

/// Refuses a socket that a process of another user listens on.
#[cfg(unix)]
fn check_user(listens: u32, own: u32) -> io::Result<()> {
    if listens == own {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "a process of another user (number {listens}) listens on its control socket, so nothing was sent to it; run the command as that user, or choose another NEXUS_HOME"
        ),
    ))
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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::{fs::PermissionsExt, net::UnixListener};

    use super::*;

    #[test]
    fn a_socket_in_a_folder_of_others_is_not_trusted() {
        let run = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(run.path().join("control.sock")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let mode = |mode| std::fs::set_permissions(run.path(), PermissionsExt::from_mode(mode)).unwrap();

        mode(0o777);
        let refused = Client::require(run.path()).err().unwrap();
        let came = listener.accept();
        mode(0o700);
        let trusted = Client::connect(run.path()).unwrap();

        assert!(
            refused.message.contains("can be written to by others"),
            "{refused}"
        );
        assert_eq!(came.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(trusted.is_some());
        assert!(Client::connect(&run.path().join("missing")).unwrap().is_none());
    }

    #[test]
    fn another_users_process_is_told_nothing() {
        let own = os::effective_uid();

        assert!(check_user(own, own).is_ok());
        let refused = check_user(own + 1, own).unwrap_err();
        assert!(refused.to_string().contains("another user"), "{refused}");
    }
}
