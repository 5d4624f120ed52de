//! What of opencode's answers reaches the client.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
};

use super::{headers, is_json, line::Answer};
use crate::answer::No;
use crate::ending::Ending;

/// Passes an answer on. What went wrong over there is said in our own words: its texts name paths and versions.
pub(super) fn passed(answer: Response<Ending<Answer>>) -> Response<Body> {
    let status = answer.status();
    if !status.is_success() {
        return refused(status).json();
    }
    let mut fields = headers::returned(answer.headers());
    let (_, body) = answer.into_parts();
    if status != StatusCode::NO_CONTENT && !says_json(&fields) {
        make_harmless(&mut fields);
    }
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

pub(super) fn refused(status: StatusCode) -> No {
    match status {
        // It refuses our own credential: nothing the client can mend by logging in.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => No::Unavailable,
        StatusCode::BAD_REQUEST
        | StatusCode::NOT_FOUND
        | StatusCode::CONFLICT
        | StatusCode::GONE
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::TOO_MANY_REQUESTS => No::Upstream(status),
        _ => No::Upstream(StatusCode::BAD_GATEWAY),
    }
}

fn says_json(fields: &HeaderMap) -> bool {
    fields
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| is_json(kind.as_bytes()))
}

/// Anything but JSON is a file to save and never a page: it may be somebody else's HTML.
fn make_harmless(fields: &mut HeaderMap) {
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    fields.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment"),
    );
}
