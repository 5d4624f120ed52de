//! The event stream for scripts, from the agent's one reader.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::{answer, keys::StreamPlace};

/// A sign of life for whoever counts seconds.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Turns the tap into `text/event-stream`; it ends with the session.
pub(super) fn answer(events: BoxStream<'static, String>, place: StreamPlace) -> Response<Body> {
    let body = Body::from_stream(lines(events, place).map(Ok::<_, Infallible>));
    let mut response = answer::typed(StatusCode::OK, "text/event-stream", body);
    let quiet = HeaderValue::from_static("no-cache, no-transform");
    response.headers_mut().insert(header::CACHE_CONTROL, quiet);
    response
}

struct Open {
    events: BoxStream<'static, String>,
    heartbeat: Interval,
    place: StreamPlace,
    has_begun: bool,
}

fn lines(events: BoxStream<'static, String>, place: StreamPlace) -> impl Stream<Item = Bytes> + Send {
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let open = Open {
        events,
        heartbeat,
        place,
        has_begun: false,
    };
    futures_util::stream::unfold(open, |mut open| async move {
        // The head of the answer leaves with the first bytes of its body.
        if !std::mem::replace(&mut open.has_begun, true) {
            return Some((Bytes::from_static(b":\n\n"), open));
        }
        let ended = open.place.session.ended.clone();
        let line = tokio::select! {
            biased;
            () = ended.cancelled() => return None,
            event = open.events.next() => Bytes::from(format!("data: {}\n\n", event?)),
            _ = open.heartbeat.tick() => Bytes::from_static(b":\n\n"),
        };
        Some((line, open))
    })
}
