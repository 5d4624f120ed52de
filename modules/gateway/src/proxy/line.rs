//! Connections to opencode, kept between requests.
//!
//! A line is driven by whoever uses it: its connection is polled together with the request and then with the answer's
//! body, in the task of the client's own connection. So a request costs no hand-over between threads, nothing runs
//! that nobody owns, and a client that goes away takes its request with it.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use axum::http::{Request, Response};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, Connection, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::body::Counted;

/// Lines kept for later.
const IDLE_LINES_MAX: usize = 64;

/// How long one is kept. A server may close it after ten seconds; opencode keeps it for ever, so it is ended here.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// Until a connection on this machine stands.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// Why opencode gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("could not connect to the server")]
    Connect(#[source] io::Error),
    #[error("the connection to the server broke")]
    Broken(#[source] hyper::Error),
}

struct Line {
    address: SocketAddr,
    sender: SendRequest<Counted>,
    connection: Connection<TokioIo<TcpStream>, Counted>,
    idle_since: Instant,
}

/// See the module.
#[derive(Default)]
pub(super) struct Pool(Mutex<Idle>);

#[derive(Default)]
struct Idle {
    lines: Vec<Line>,
    /// A task looks after them.
    is_swept: bool,
}

impl Pool {
    /// Sends `request` and waits for the head of the answer.
    pub(super) async fn send(
        self: &Arc<Self>,
        address: SocketAddr,
        mut request: Request<Counted>,
    ) -> Result<Response<Answer>, LineError> {
        loop {
            let (mut line, is_fresh) = match self.take(address).await {
                Some(line) => (line, false),
                None => (Line::connect(address).await?, true),
            };
            match line.ask(request).await {
                Ok(answer) => {
                    let pool = Arc::clone(self);
                    return Ok(answer.map(|body| Answer::new(body, line, pool)));
                }
                // The server closed an idle line before it saw anything of the request: another one will do.
                Err((_, Some(unsent))) if !is_fresh => request = unsent,
                Err((error, _)) => return Err(LineError::Broken(error)),
            }
        }
    }

    /// A line that is still open.
    async fn take(&self, address: SocketAddr) -> Option<Line> {
        loop {
            let mut line = self.lock().lines.pop()?;
            if line.address == address && line.idle_since.elapsed() < IDLE_MAX && line.is_open().await {
                return Some(line);
            }
        }
    }

    fn keep(self: &Arc<Self>, mut line: Line) {
        line.idle_since = Instant::now();
        let mut idle = self.lock();
        if idle.lines.len() < IDLE_LINES_MAX {
            idle.lines.push(line);
        }
        if !std::mem::replace(&mut idle.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Ends the lines that nobody will take any more; whether any is left.
    fn end_old(&self) -> bool {
        let mut idle = self.lock();
        idle.lines.retain(|line| line.idle_since.elapsed() < IDLE_MAX);
        idle.is_swept = !idle.lines.is_empty();
        idle.is_swept
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs while lines are kept: the server would hold the other end of a forgotten one for ever.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(IDLE_MAX).await;
        if !pool.upgrade().is_some_and(|pool| pool.end_old()) {
            return;
        }
    }
}

impl Line {
    async fn connect(address: SocketAddr) -> Result<Self, LineError> {
        let connecting = timeout(CONNECT_MAX, TcpStream::connect(address)).await;
        let stream = connecting
            .unwrap_or_else(|_late| Err(io::ErrorKind::TimedOut.into()))
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(LineError::Connect)?;
        let (sender, connection) = Builder::new()
            .handshake(TokioIo::new(stream))
            .await
            .map_err(LineError::Broken)?;
        Ok(Self {
            address,
            sender,
            connection,
            idle_since: Instant::now(),
        })
    }

    /// Looks at the connection once, without waiting.
    async fn is_open(&mut self) -> bool {
        let ended = poll_fn(|cx| Poll::Ready(Pin::new(&mut self.connection).poll(cx).is_ready())).await;
        !ended && self.sender.is_ready()
    }

    async fn ask(
        &mut self,
        request: Request<Counted>,
    ) -> Result<Response<Incoming>, (hyper::Error, Option<Request<Counted>>)> {
        let mut answering = pin!(self.sender.try_send_request(request));
        let connection = &mut self.connection;
        let mut has_ended = false;
        let answer = poll_fn(|cx| {
            // The connection moves the request out and the answer in; when it ends, the answer is an error at once.
            if !has_ended {
                has_ended = Pin::new(&mut *connection).poll(cx).is_ready();
            }
            answering.as_mut().poll(cx)
        });
        answer.await.map_err(|mut error| {
            let unsent = error.take_message();
            (error.into_error(), unsent)
        })
    }
}

/// The body of an answer. Read to its end, it gives its line back.
pub(super) struct Answer {
    body: Incoming,
    line: Option<(Line, Arc<Pool>)>,
}

impl Answer {
    fn new(body: Incoming, line: Line, pool: Arc<Pool>) -> Self {
        let mut answer = Self {
            body,
            line: Some((line, pool)),
        };
        if answer.body.is_end_stream() {
            answer.finish();
        }
        answer
    }

    fn finish(&mut self) {
        if let Some((line, pool)) = self.line.take() {
            pool.keep(line);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        let mut has_ended = false;
        if let Some((line, _)) = &mut this.line {
            has_ended = Pin::new(&mut line.connection).poll(cx).is_ready();
        }
        if has_ended {
            this.line = None;
        }
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || this.body.is_end_stream() {
            this.finish();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
