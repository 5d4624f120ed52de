//! Passing a request on to the next socket, and its answer back as it comes.

use std::{io, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    http::{Request, Response, StatusCode},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use hyper::body::Body as _;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// How long the two ends of an upgraded connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

/// What is held until an answer has ended, or an upgraded connection has closed.
///
/// `completed` is told when it came to its end; dropping it before means that somebody left.
pub trait Held: Send + Sync + 'static {
    /// The answer was passed on whole.
    fn completed(&mut self) {}
}

impl Held for () {}

/// Sends `request` over a fresh connection. Upgrades are spliced; `cut` ends what is under way with a failure.
///
/// # Errors
/// When no answer came: the other side closed, or said something that is not HTTP.
pub async fn forward<IO, H>(
    io: IO,
    mut request: Request<Body>,
    cut: CancellationToken,
    held: H,
) -> Result<Response<Body>, hyper::Error>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Held,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await?;
    // It ends with the request: when the answer was read, or was dropped before its end.
    tokio::spawn(connection.with_upgrades());
    let ours = request
        .headers()
        .contains_key("upgrade")
        .then(|| hyper::upgrade::on(&mut request));
    let mut response = sender.send_request(request).await?;
    if let (StatusCode::SWITCHING_PROTOCOLS, Some(ours)) = (response.status(), ours) {
        let theirs = hyper::upgrade::on(&mut response);
        tokio::spawn(splice(ours, theirs, cut, held));
        return Ok(response.map(Body::new));
    }
    let (parts, body) = response.into_parts();
    if body.is_end_stream() {
        let mut held = held;
        held.completed();
        return Ok(Response::from_parts(parts, Body::new(body)));
    }
    let left = body.size_hint().exact();
    let body = guarded(Body::new(body).into_data_stream(), left, cut, held);
    Ok(Response::from_parts(parts, Body::from_stream(body)))
}

async fn splice(
    ours: hyper::upgrade::OnUpgrade,
    theirs: hyper::upgrade::OnUpgrade,
    cut: CancellationToken,
    mut held: impl Held,
) {
    let Ok((ours, theirs)) = futures_util::future::try_join(ours, theirs).await else {
        return;
    };
    let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
    tokio::select! {
        // Either side may break off at any time: that is its right.
        _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs) => {}
        () = cut.cancelled() => {}
    }
    held.completed();
    let _ = tokio::time::timeout(GOODBYE, tokio::io::AsyncWriteExt::shutdown(&mut ours)).await;
}

/// The body as it comes, holding `held` until its end, and failing once `cut` is cancelled.
///
/// `left` counts the bytes of a body of known length: whoever reads it stops at the last one and never sees the end.
fn guarded(
    body: BodyDataStream,
    left: Option<u64>,
    cut: CancellationToken,
    held: impl Held,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(Some((body, left, cut, held)), |state| async move {
        let (mut body, left, cut, mut held) = state?;
        let piece = tokio::select! {
            biased;
            piece = body.next() => piece,
            () = cut.cancelled() => Some(Err(axum::Error::new(io::Error::other("the tunnel was cut")))),
        };
        match piece {
            None => {
                held.completed();
                None
            }
            Some(Ok(bytes)) => {
                let left = left.map(|left| left.saturating_sub(bytes.len() as u64));
                if left == Some(0) {
                    held.completed();
                }
                Some((Ok(bytes), Some((body, left, cut, held))))
            }
            Some(Err(error)) => Some((Err(io::Error::other(error)), None)),
        }
    })
}
