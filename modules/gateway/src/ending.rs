//! A body that ends with the session it belongs to: what is answered, and what is still being sent.
//!
//! Whoever sends a request slowly would otherwise still act long after the session was revoked.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use kit::CancellationToken;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::session::Session;

/// See the module. Cut short, it fails, so that nobody takes what came for the whole.
pub(crate) struct Ending<B> {
    body: B,
    session: CancellationToken,
    /// Whose allowance the body comes from, if it is counted.
    counted: Option<Arc<Session>>,
    /// Made when the body is waited for: one that is there at once costs nothing.
    ended: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl<B> Ending<B> {
    pub(crate) fn new(body: B, session: &CancellationToken) -> Self {
        Self {
            body,
            session: session.clone(),
            counted: None,
            ended: None,
        }
    }

    /// The same, counted for a session from outside.
    pub(crate) fn counted(self, counted: Option<Arc<Session>>) -> Self {
        Self { counted, ..self }
    }
}

impl<B> Body for Ending<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        if this.session.is_cancelled() {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
        }
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            if let (Some(session), Some(Ok(frame))) = (&this.counted, &frame) {
                session
                    .allowance
                    .spend(frame.data_ref().map_or(0, Bytes::len) as u64);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        let waiting = || Box::pin(this.session.clone().cancelled_owned());
        let ended = this.ended.get_or_insert_with(waiting);
        ended
            .as_mut()
            .poll(cx)
            .map(|()| Some(Err(io::ErrorKind::ConnectionAborted.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
