//! Answers that say no. They name no version, path, user or project, and repeat nothing the request said.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
};
use serde_json::json;
use web::html;

use crate::origin;

/// Why a request gets no better answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum No {
    Malformed,
    Session,
    OtherSite,
    OldProof,
    ByCode,
    NotFound,
    NotHere,
    NotPassed,
    Method,
    NotJson,
    TooLarge,
    TooMany,
    UsedUp,
    Unavailable,
    TimedOut,
    Upstream(StatusCode),
    Internal,
}

impl No {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (
                StatusCode::BAD_REQUEST,
                "bad_request",
                "The request is malformed.",
            ),
            Self::Session => (StatusCode::UNAUTHORIZED, "no_session", "Log in first."),
            Self::OtherSite => (
                StatusCode::FORBIDDEN,
                "other_site",
                "The request does not come from a page of this program.",
            ),
            Self::OldProof => (
                StatusCode::FORBIDDEN,
                "reauth_required",
                "This opens something, and you logged in more than ten minutes ago. Log out and in again, or use the tray or \
                 `nexus open` at the machine.",
            ),
            Self::ByCode => (
                StatusCode::FORBIDDEN,
                "reauth_required",
                "This device came in with a code. Log out, and in again with the password.",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "not_found",
                "There is nothing at this address.",
            ),
            Self::NotHere => (
                StatusCode::FORBIDDEN,
                "not_here",
                "This can only be done at the machine itself.",
            ),
            Self::NotPassed => (
                StatusCode::FORBIDDEN,
                "access_required",
                "Cloudflare Access has not let this request through, or its word cannot be checked right now. Open the address \
                 anew and log in there.",
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "This address does not take that method.",
            ),
            Self::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                "The body has to be application/json.",
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "The request is larger than allowed.",
            ),
            Self::UsedUp => (
                StatusCode::TOO_MANY_REQUESTS,
                "used_up",
                "This device has used what it may for now. What a device may use is set at the machine, with `nexus settings \
                 set gateway.device_requests_per_min` and `gateway.device_mib_per_h`.",
            ),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many",
                "Too many streams are open: close a page first.",
            ),
            Self::Unavailable => (
                StatusCode::BAD_GATEWAY,
                "server_down",
                "The server is not running right now. Try again in a moment.",
            ),
            Self::TimedOut => (
                StatusCode::GATEWAY_TIMEOUT,
                "server_slow",
                "The server did not answer in time. Try again.",
            ),
            Self::Upstream(status) => (status, "refused", "The server refused the request."),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong here. The log says what.",
            ),
        }
    }

    /// For a person who came here by a link.
    fn title(self) -> &'static str {
        match self {
            Self::NotFound => "There is no such page",
            Self::Session => "You are not logged in",
            Self::OtherSite | Self::NotHere | Self::NotPassed => "Not from here",
            Self::OldProof | Self::ByCode => "Log in again first",
            Self::TooLarge | Self::TooMany | Self::UsedUp => "Too much at once",
            Self::Unavailable | Self::TimedOut => "opencode does not answer",
            Self::Malformed | Self::Method | Self::NotJson | Self::Upstream(_) => "This was refused",
            Self::Internal => "Something went wrong",
        }
    }

    /// For scripts: `{"error":{"code","message","id"}}`. The id is also in the log where there is more to say.
    pub(crate) fn json(self) -> Response<Body> {
        let (status, code, message) = self.parts();
        let id = crate::token::short_id();
        tracing::debug!(id, status = status.as_u16(), code, "a request was refused");
        let body = json!({"error": {"code": code, "message": message, "id": id}}).to_string();
        typed(status, "application/json", body)
    }

    /// As [`answer`](Self::answer), with how long it lasts.
    pub(crate) fn answer_later(self, headers: &HeaderMap, wait: Duration) -> Response<Body> {
        let mut response = self.answer(headers);
        let seconds = wait.as_secs().max(1);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        response
    }

    /// For whoever asked: a page for a person going somewhere, JSON for everything else.
    pub(crate) fn answer(self, headers: &HeaderMap) -> Response<Body> {
        if !origin::is_navigation(headers) {
            return self.json();
        }
        let (status, _, message) = self.parts();
        let title = self.title();
        let page = web::bare(
            title,
            html! {
                h1 { (title) }
                p { (web::parts::words(message)) }
                p { a href="/" { "Go to the start page" } }
            },
        );
        page_with(status, page)
    }
}

pub(crate) fn page_with(status: StatusCode, page: web::Markup) -> Response<Body> {
    typed(status, "text/html; charset=utf-8", page.into_string())
}

pub(crate) fn typed(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

pub(crate) fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// 303: the browser fetches `path` next. A path that is no header value leads to the start page.
pub(crate) fn see(path: &str) -> Response<Body> {
    let mut response = bare(StatusCode::SEE_OTHER);
    let place = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, place);
    response
}
