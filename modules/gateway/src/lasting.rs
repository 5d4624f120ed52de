//! A request's body that ends with the session it was sent in.
//!
//! Whoever sends one slowly would otherwise still act long after the session was revoked.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use kit::CancellationToken;
use tokio_util::sync::WaitForCancellationFutureOwned;

/// See the module. What has not come by the session's end fails to be read.
pub(crate) struct Lasting {
    body: Incoming,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Lasting {
    pub(crate) fn new(body: Incoming, ended: CancellationToken) -> Self {
        Self {
            body,
            ended: Box::pin(ended.cancelled_owned()),
        }
    }
}

impl Body for Lasting {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.ended.as_mut().poll(cx).is_ready() {
            let error = io::Error::new(io::ErrorKind::ConnectionAborted, "the session has ended");
            return Poll::Ready(Some(Err(error)));
        }
        Pin::new(&mut self.body).poll_frame(cx).map_err(io::Error::other)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
