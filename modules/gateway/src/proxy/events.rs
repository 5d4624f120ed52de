//! The event stream for scripts, from the agent's one reader.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::{answer, keys::StreamPlace};

/// A sign of life for whoever counts seconds.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// A comment: the sign of life, and what the head of the answer leaves with.
const SIGN: Bytes = Bytes::from_static(b":\n\n");

/// Turns the tap into `text/event-stream`; it ends with the session.
pub(super) fn answer(events: BoxStream<'static, Bytes>, place: StreamPlace) -> Response<Body> {
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let body = Body::from_stream(Lines {
        events,
        heartbeat,
        ended: Box::pin(place.session.ended.clone().cancelled_owned()),
        place,
        has_begun: false,
    });
    let mut response = answer::typed(StatusCode::OK, "text/event-stream", body);
    let quiet = HeaderValue::from_static("no-cache, no-transform");
    response.headers_mut().insert(header::CACHE_CONTROL, quiet);
    response
}

struct Lines {
    events: BoxStream<'static, Bytes>,
    heartbeat: Interval,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    place: StreamPlace,
    has_begun: bool,
}

impl Stream for Lines {
    type Item = Result<Bytes, Infallible>;

    /// Written as one function, because it is run for every token of every answer.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.place.session.ended.is_cancelled() {
            return Poll::Ready(None);
        }
        if !std::mem::replace(&mut this.has_begun, true) {
            return Poll::Ready(Some(Ok(SIGN)));
        }
        if let Poll::Ready(event) = this.events.poll_next_unpin(cx) {
            return Poll::Ready(event.map(Ok));
        }
        if this.ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        this.heartbeat.poll_tick(cx).map(|_| Some(Ok(SIGN)))
    }
}
