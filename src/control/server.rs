//! The agent's side of the socket.

use std::{io, path::Path, sync::Arc, time::Duration};

use kit::{BoxFuture, CancellationToken};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use zeroize::Zeroizing;

use super::{Answer, Code, Failure, LINE_BYTES_MAX, Request, peer::Peer, socket};

/// Connections of the owner's that are served at once; further ones are told so.
const OWNERS_MAX: usize = 32;
/// The same for processes that our children started: they take none of the owner's places.
const INSIDE_MAX: usize = 4;
/// How long a peer for whom there is no place may take to be told.
const DECLINE_WAIT: Duration = Duration::from_millis(100);
/// How long a peer may take to say what it wants.
const REQUEST_WAIT: Duration = Duration::from_secs(10);
/// Pause after the system refused a connection, e.g. for want of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Answers that wait for a slow reader.
const ANSWERS_MAX: usize = 16;

/// What answers requests.
pub trait Desk: Send + Sync + 'static {
    /// Answers one request. Dropped when the peer hangs up.
    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Value, Failure>>;

    /// Sends the status now and after every change until the receiver is gone.
    fn watch(&self, answers: mpsc::Sender<Value>) -> BoxFuture<'_, ()>;
}

/// The socket, open but not yet served.
pub struct Server {
    listener: socket::Listener,
}

impl Server {
    /// Opens the socket. The caller holds the [`Instance`](super::Instance).
    ///
    /// # Errors
    /// What the system said.
    pub fn bind(run: &Path) -> io::Result<Self> {
        socket::Listener::bind(run).map(|listener| Self { listener })
    }

    /// Serves until `stop`. Connections are cut off then.
    pub async fn run(mut self, desk: Arc<dyn Desk>, stop: CancellationToken) {
        let places = Places::default();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok(mut stream) => {
                        // At once: the sooner, the likelier that whoever connected is still there to be placed.
                        let peer = place(&stream);
                        let Some(taken) = places.take(peer) else {
                            // Fits in the socket's empty buffer; who hangs up or waits for more loses nothing.
                            let told = write(&mut stream, Answer::Error(full()));
                            drop(tokio::time::timeout(DECLINE_WAIT, told).await);
                            continue;
                        };
                        let desk = Arc::clone(&desk);
                        connections.spawn(async move {
                            let _taken = taken;
                            if let Err(error) = serve(stream, peer, &*desk).await {
                                tracing::debug!(%error, "a control connection broke");
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the control socket could not take a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        connections.shutdown().await;
    }
}

/// How many more connections are served.
struct Places {
    owners: Arc<Semaphore>,
    inside: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            owners: Arc::new(Semaphore::new(OWNERS_MAX)),
            inside: Arc::new(Semaphore::new(INSIDE_MAX)),
        }
    }
}

impl Places {
    /// One for `peer`, until it is dropped.
    fn take(&self, peer: Peer) -> Option<OwnedSemaphorePermit> {
        let places = match peer {
            Peer::Owner => &self.owners,
            Peer::Inside => &self.inside,
        };
        Arc::clone(places).try_acquire_owned().ok()
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite, peer: Peer, desk: &dyn Desk) -> io::Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut reader = BufReader::new(reader);
    loop {
        // It may hold a password. What is read ahead of it, and what it outgrows, is not overwritten.
        let mut line = Zeroizing::new(Vec::new());
        let mut limited = (&mut reader).take(LINE_BYTES_MAX as u64);
        let read = limited.read_until(b'\n', &mut line);
        match tokio::time::timeout(REQUEST_WAIT, read).await {
            Ok(Ok(0)) | Err(_) => return Ok(()),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error),
        }
        let request = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => request,
            Err(error) => {
                let failure = Failure::new(Code::Usage, format!("The request was not understood: {error}."));
                write(&mut writer, Answer::Error(failure)).await?;
                return Ok(());
            }
        };
        if request.needs_owner() && peer == Peer::Inside {
            tracing::warn!(
                "a process started by opencode asked for what is its owner's alone; it was refused"
            );
            write(&mut writer, Answer::Error(refused())).await?;
            return Ok(());
        }
        if request == Request::Watch {
            return watch(&mut reader, &mut writer, desk).await;
        }
        let answer = tokio::select! {
            answer = desk.answer(request) => answer,
            gone = gone(&mut reader) => return gone,
        };
        write(&mut writer, answer.map_or_else(Answer::Error, Answer::Ok)).await?;
    }
}

async fn watch(
    reader: &mut (impl AsyncReadExt + Unpin),
    writer: &mut (impl AsyncWriteExt + Unpin),
    desk: &dyn Desk,
) -> io::Result<()> {
    let (sender, mut answers) = mpsc::channel(ANSWERS_MAX);
    let forward = async {
        while let Some(value) = answers.recv().await {
            write(writer, Answer::Ok(value)).await?;
        }
        Ok(())
    };
    tokio::select! {
        () = desk.watch(sender) => Ok(()),
        forwarded = forward => forwarded,
        gone = gone(reader) => gone,
    }
}

/// Returns when the peer hangs up; a peer that talks out of turn is cut off too.
async fn gone(reader: &mut (impl AsyncReadExt + Unpin)) -> io::Result<()> {
    reader.read(&mut [0]).await.map(|_| ())
}

async fn write(writer: &mut (impl AsyncWriteExt + Unpin), answer: Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(&answer).map_err(io::Error::other)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    writer.flush().await
}

#[cfg(unix)]
fn place(stream: &socket::Stream) -> Peer {
    super::peer::place(std::os::fd::AsFd::as_fd(stream))
}

#[cfg(windows)]
fn place(_stream: &socket::Stream) -> Peer {
    // Everything below the agent shares its job there, and the pipe is the user's own.
    Peer::Owner
}

fn full() -> Failure {
    Failure::new(
        Code::Busy,
        "The agent is already talking to as many commands as it can. End one of them, e.g. a `nexus status --watch`, and try again.",
    )
}

fn refused() -> Failure {
    Failure::new(
        Code::Refused,
        "This was asked by a process that opencode started, and is for the owner alone: run the command in a terminal of your own.",
    )
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// Knows nothing; what is watched never changes.
    struct Idle;

    impl Desk for Idle {
        fn answer(&self, _request: Request) -> BoxFuture<'_, Result<Value, Failure>> {
            Box::pin(async { Ok(Value::Null) })
        }

        fn watch(&self, _answers: mpsc::Sender<Value>) -> BoxFuture<'_, ()> {
            Box::pin(std::future::pending())
        }
    }

    async fn answer_to(request: &Request, peer: Peer) -> String {
        let (theirs, ours) = duplex(LINE_BYTES_MAX);
        let ask = async {
            let mut theirs = BufReader::new(theirs);
            let mut line = serde_json::to_vec(request).unwrap();
            line.push(b'\n');
            theirs.write_all(&line).await.unwrap();
            let mut said = String::new();
            theirs.read_line(&mut said).await.unwrap();
            said
        };
        let (served, said) = tokio::join!(serve(ours, peer, &Idle), ask);
        served.unwrap();
        said
    }

    #[test]
    fn watchers_inside_take_none_of_the_owners_places() {
        let places = Places::default();

        let inside: Vec<_> = std::iter::from_fn(|| places.take(Peer::Inside)).collect();
        let owners: Vec<_> = std::iter::from_fn(|| places.take(Peer::Owner)).collect();
        let next = places.take(Peer::Inside);
        drop(inside);

        assert!(next.is_none());
        assert_eq!(owners.len(), OWNERS_MAX);
        assert!(places.take(Peer::Inside).is_some(), "a place is given again");
        assert!(places.take(Peer::Owner).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_cut_off() {
        let (theirs, ours) = duplex(64);
        let began = tokio::time::Instant::now();

        serve(ours, Peer::Owner, &Idle).await.unwrap();

        assert_eq!(began.elapsed().as_secs(), REQUEST_WAIT.as_secs());
        drop(theirs);
    }

    #[tokio::test]
    async fn what_acts_is_refused_to_processes_inside() {
        let call = |verb: &str| Request::Call {
            module: "opencode".to_owned(),
            verb: verb.to_owned(),
            args: Vec::new(),
            wait: false,
        };

        for request in [
            Request::Show { page: None },
            Request::Link { page: None },
            Request::Quit { now: true },
            call("stop"),
            call("restart"),
        ] {
            let (inside, owner) = (
                answer_to(&request, Peer::Inside).await,
                answer_to(&request, Peer::Owner).await,
            );
            assert!(inside.contains("refused"), "{request:?}: {inside}");
            assert_eq!(owner, "{\"ok\":null}\n", "{request:?}");
        }
        for request in [Request::Status, call("status")] {
            assert_eq!(answer_to(&request, Peer::Inside).await, "{\"ok\":null}\n");
        }
    }
}
