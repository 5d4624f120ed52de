//! The open answer that carries the server's events.
//!
//! Its connection is driven by whoever reads it: an event on its way to those who wait for it costs no hand-over from
//! one task to another before it is read.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::Context,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::Empty;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{self, Connection, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use kit::Upstream;
use tokio::net::TcpStream;

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error("could not connect to the server")]
    Connect(#[from] io::Error),
    #[error("the connection to the server broke")]
    Broke(#[from] hyper::Error),
    #[error("the address makes no request")]
    Request(#[from] hyper::http::Error),
    #[error("the server answered with status {0}")]
    Refused(u16),
}

/// See the module.
pub(super) struct EventStream {
    body: Incoming,
    connection: Driven,
    /// The connection lasts for as long as something could be asked of it.
    _sender: SendRequest<Empty<Bytes>>,
}

/// Nothing once it has ended.
type Driven = Option<Connection<TokioIo<TcpStream>, Empty<Bytes>>>;

impl EventStream {
    /// Asks for the stream and waits for the head of the answer.
    pub(super) async fn open(upstream: &Upstream) -> Result<Self, StreamError> {
        let request = Request::get("/global/event")
            .header(header::HOST, upstream.address.to_string())
            .header(header::AUTHORIZATION, upstream.authorization.expose())
            .header(header::ACCEPT, "text/event-stream")
            .body(Empty::new())?;
        let stream = TcpStream::connect(upstream.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut connection = Some(connection);
        let answer = {
            let mut answer = pin!(sender.send_request(request));
            poll_fn(|cx| {
                drive(&mut connection, cx);
                answer.as_mut().poll(cx)
            })
            .await?
        };
        if !answer.status().is_success() || !is_event_stream(&answer) {
            return Err(StreamError::Refused(answer.status().as_u16()));
        }
        Ok(Self {
            body: answer.into_body(),
            connection,
            _sender: sender,
        })
    }

    /// The next bytes; `None` when the server has ended its answer.
    pub(super) async fn chunk(&mut self) -> Option<Result<Bytes, StreamError>> {
        loop {
            let frame = poll_fn(|cx| {
                drive(&mut self.connection, cx);
                Pin::new(&mut self.body).poll_frame(cx)
            });
            match frame.await?.map(Frame::into_data) {
                Ok(Ok(bytes)) => return Some(Ok(bytes)),
                Ok(Err(_trailers)) => {}
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

fn is_event_stream(answer: &Response<Incoming>) -> bool {
    answer
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("text/event-stream"))
}

/// Moves what there is to move. How the connection ended is told by the answer or its body.
fn drive(connection: &mut Driven, cx: &mut Context<'_>) {
    if let Some(open) = connection
        && Pin::new(open).poll(cx).is_ready()
    {
        *connection = None;
    }
}
