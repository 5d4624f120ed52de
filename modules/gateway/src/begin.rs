//! A session begins, whatever opened the door to it.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, header},
};

use crate::{
    answer,
    front::Visit,
    keys::Keys,
    session::{Kind, Session},
};

/// Why there is no session.
pub(crate) enum NotBegun {
    /// What it was to begin with was made void meanwhile.
    Void,
    /// It could not be saved.
    Failed,
}

/// Begins a session and leads to the page `next` with its cookie. What it begins with has to hold still, as
/// `still_holds` says, when it has begun: whatever makes that void ends the sessions that are there, and this one may
/// have come a moment too late for that.
pub(crate) async fn begin(
    keys: &Arc<Keys>,
    visit: &Visit,
    kind: Kind,
    device: &str,
    next: &str,
    still_holds: impl Fn() -> bool,
) -> Result<(Arc<Session>, Response<Body>), NotBegun> {
    let (session, token) = match keys.sessions.begin(kind, visit.listener, device).await {
        Ok(begun) => begun,
        Err(error) => {
            tracing::warn!(%error, "a session could not be saved");
            return Err(NotBegun::Failed);
        }
    };
    if !still_holds() {
        end(keys, &session.id).await;
        return Err(NotBegun::Void);
    }
    let (listener, source) = (visit.listener.as_str(), visit.address);
    tracing::info!(target: "audit", event = "session", session = session.id, kind = kind.as_str(), device, listener, %source, "a session began");
    let response = with_cookie(
        answer::see(next),
        &keys.cookie(visit.listener).set(token.expose()),
    );
    Ok((session, response))
}

/// A browser that comes in again leaves no second session behind.
pub(crate) async fn end_former(keys: &Arc<Keys>, visit: &Visit, headers: &HeaderMap) {
    if let Some(former) = keys.session(visit.listener, headers) {
        end(keys, &former.id).await;
    }
}

/// Ends one session, as far as the database lets it.
pub(crate) async fn end(keys: &Keys, id: &str) {
    if let Err(error) = keys.sessions.end(|session| session.id == id).await {
        tracing::warn!(%error, "an ended session could not be removed from the database");
    }
}

/// An answer that sets a cookie of ours.
pub(crate) fn with_cookie(mut response: Response<Body>, cookie: &str) -> Response<Body> {
    let value = HeaderValue::from_str(cookie).expect("names, digits and fixed words are a header value");
    response.headers_mut().append(header::SET_COOKIE, value);
    response
}
