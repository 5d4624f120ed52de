//! A request's body on its way to opencode, counted.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// Longest body. Also of one that does not say its length.
pub(crate) const BODY_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// A body that fails when it grows too large, and says so to whoever asks.
pub(crate) struct Counted {
    inner: Incoming,
    left: u64,
    is_too_large: Arc<AtomicBool>,
}

/// Tells whether a body grew too large.
pub(crate) struct Size(Arc<AtomicBool>);

impl Size {
    pub(crate) fn is_too_large(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Counted {
    pub(crate) fn new(inner: Incoming) -> (Self, Size) {
        let is_too_large = Arc::new(AtomicBool::new(false));
        let body = Self {
            inner,
            left: BODY_BYTES_MAX,
            is_too_large: Arc::clone(&is_too_large),
        };
        (body, Size(is_too_large))
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Some(frame) = ready!(Pin::new(&mut self.inner).poll_frame(cx)) else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(io::Error::other)?;
        let size = frame.data_ref().map_or(0, |data| data.remaining() as u64);
        let Some(left) = self.left.checked_sub(size) else {
            self.is_too_large.store(true, Ordering::Release);
            return Poll::Ready(Some(Err(io::ErrorKind::FileTooLarge.into())));
        };
        self.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
