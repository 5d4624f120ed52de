//! The guarded way to opencode: what is on the list passes, made anew from parts that were looked at.

mod answers;
mod body;
mod events;
pub mod headers;
mod line;
pub mod list;
mod providers;

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, Response, StatusCode, header, uri::PathAndQuery},
};
use hyper::body::Incoming;
use kit::{EventTap, Upstream};
use tokio::{sync::watch, time::timeout};

use crate::{answer::No, ending::Ending, keys::Keys, session::Session};
use body::Counted;
use line::Pool;
use list::{Kind, Listed};

/// Until the first byte of an answer.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// The same where opencode answers only when a whole turn is done.
const TURN_MAX: Duration = Duration::from_secs(3600);

/// See the module.
pub(crate) struct Proxy {
    upstream: watch::Receiver<Option<Upstream>>,
    events: EventTap,
    pool: Arc<Pool>,
}

impl Proxy {
    pub(crate) fn new(upstream: watch::Receiver<Option<Upstream>>, events: EventTap) -> Self {
        Self {
            upstream,
            events,
            pool: Arc::default(),
        }
    }

    /// Answers a request whose path, from the byte `from` on, is opencode's own.
    pub(crate) async fn answer(
        &self,
        keys: &Arc<Keys>,
        session: &Arc<Session>,
        from: usize,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let path = &request.uri().path()[from..];
        let listed = match list::find(request.method(), path) {
            Ok(listed) => listed,
            Err(list::Unlisted::Path) => return No::NotFound.json(),
            Err(list::Unlisted::Method) => return No::Method.json(),
        };
        if listed.kind == Kind::Events {
            return match keys.stream(session) {
                Some(place) => events::answer((self.events)(), place),
                None => No::TooMany.json(),
            };
        }
        let Some(target) = list::target(listed, path, request.uri().query()) else {
            return No::Malformed.json();
        };
        if let Some(refusal) = judge_body(&request) {
            return refusal.json();
        }
        let Some(upstream) = self.upstream.borrow().clone() else {
            return No::Unavailable.json();
        };
        // Whoever ends a session ends what is under way in it, on this side and on opencode's.
        let answer = tokio::select! {
            biased;
            () = session.ended.cancelled() => No::Session.json(),
            answer = self.forward(listed, &upstream, target, session, request) => answer,
        };
        if listed.is_reply() {
            let (by, listener) = (&session.id, session.listener.as_str());
            let status = answer.status().as_u16();
            tracing::info!(target: "audit", event = "api_reply", path = listed.template, status, by, listener, "a program answered a request of opencode");
        }
        answer
    }

    async fn forward(
        &self,
        listed: &'static Listed,
        upstream: &Upstream,
        target: PathAndQuery,
        session: &Session,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let Ok(fields) = headers::forwarded(&parts.headers, upstream) else {
            return No::Internal.json();
        };
        let (body, size) = Counted::new(body);
        let mut outgoing = Request::new(body);
        *outgoing.method_mut() = parts.method;
        *outgoing.uri_mut() = target.into();
        *outgoing.headers_mut() = fields;
        let patience = match listed.kind {
            Kind::Turn => TURN_MAX,
            Kind::Plain | Kind::Providers | Kind::Events => ANSWER_MAX,
        };
        match timeout(patience, self.pool.send(upstream.address, outgoing)).await {
            Err(_late) => No::TimedOut.json(),
            Ok(Err(_)) if size.is_too_large() => No::TooLarge.json(),
            Ok(Err(error)) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "opencode could not be asked"
                );
                No::Unavailable.json()
            }
            Ok(Ok(answer)) if listed.kind == Kind::Providers && answer.status() == StatusCode::OK => {
                providers::without_keys(answer).await
            }
            Ok(Ok(answer)) => answers::passed(answer.map(|body| Ending::new(body, &session.ended))),
        }
    }
}

/// Whether a body may go on, as far as its head tells.
fn judge_body(request: &Request<Incoming>) -> Option<No> {
    use http_body::Body as _;
    if request.body().is_end_stream() {
        return None;
    }
    if request.body().size_hint().lower() > body::BODY_BYTES_MAX {
        return Some(No::TooLarge);
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    // opencode takes JSON under any name, which would let forms of other pages speak to it.
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| is_json(kind.as_bytes()));
    (is_read || !is_json).then_some(No::NotJson)
}

fn is_json(kind: &[u8]) -> bool {
    let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// Whether a request wants to become something else than HTTP.
pub(crate) fn asks_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
}
