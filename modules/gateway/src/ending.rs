//! An answer that ends with the session it is given in.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use kit::CancellationToken;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::line::Answer;

/// See the module. Cut short, it fails, so that nobody takes what came for the whole.
pub(super) struct Ending {
    answer: Answer,
    session: CancellationToken,
    /// Made when the answer is waited for: one that is there at once costs nothing.
    ended: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Ending {
    pub(super) fn new(answer: Answer, session: &CancellationToken) -> Self {
        Self {
            answer,
            session: session.clone(),
            ended: None,
        }
    }
}

impl Body for Ending {
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
        if let Poll::Ready(frame) = Pin::new(&mut this.answer).poll_frame(cx) {
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
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}
