//! Answers to forms: a redirect for a browser without script, JSON for the script.

use axum::{
    Json,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use kit::{ActError, text::capital};
use opencode::ApiError;
use serde_json::json;

/// What is asked of a session that is not there. The server's own words name an id and leave it at that.
const MISSING: &str = "This session is not there any more: it was deleted, here or in another program. Go to your sessions and choose another one.";

/// What a form's answer is.
#[derive(Debug)]
pub enum Done {
    /// Stay where you are.
    Here,
    /// Go there.
    At(String),
    /// Stay, and read this.
    Said(String),
}

/// Why it was not done, as a sentence with the status it travels under.
#[derive(Debug)]
pub struct Refusal(pub StatusCode, pub String);

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let status = match &error {
            ApiError::Down { .. } => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::Refused { status: 404, .. } => StatusCode::NOT_FOUND,
            ApiError::Refused { status: 409, .. } => StatusCode::CONFLICT,
            ApiError::Refused { .. } | ApiError::Malformed { .. } => StatusCode::BAD_GATEWAY,
            ApiError::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
        };
        if error.is_missing() {
            return Self(status, MISSING.to_owned());
        }
        let advice = match &error {
            ApiError::Down { .. } => "Your text is kept; try again when it runs.",
            ApiError::Refused { status: 409, .. } => "The session is busy: wait, or stop it first.",
            ApiError::Refused { .. } | ApiError::Malformed { .. } | ApiError::Timeout { .. } => {
                "Nothing is lost; try again."
            }
        };
        Self(status, format!("{}. {advice}", capital(&error.to_string())))
    }
}

impl From<ActError> for Refusal {
    fn from(error: ActError) -> Self {
        Self(StatusCode::CONFLICT, capital(&error.to_string()))
    }
}

impl From<store::StoreError> for Refusal {
    fn from(error: store::StoreError) -> Self {
        Self(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!(
                "{}. Free some disk space, then try again.",
                capital(&error.to_string())
            ),
        )
    }
}

impl Refusal {
    /// The request makes no sense.
    pub fn usage(text: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, text.to_owned())
    }
}

/// The answer to a form; `back` is the page it stands on.
pub fn answer(headers: &HeaderMap, back: &str, result: Result<Done, Refusal>) -> Response {
    let wants_json = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    match (result, wants_json) {
        (Ok(Done::At(path)), true) => Json(json!({ "location": path })).into_response(),
        (Ok(Done::Said(text)), true) => Json(json!({ "message": text })).into_response(),
        (Ok(Done::Here), true) => StatusCode::NO_CONTENT.into_response(),
        (Ok(Done::At(path)), false) => Redirect::to(&path).into_response(),
        (Ok(Done::Here | Done::Said(_)), false) => Redirect::to(back).into_response(),
        (Err(Refusal(status, text)), true) => {
            (status, Json(json!({ "error": { "message": text } }))).into_response()
        }
        (Err(Refusal(status, text)), false) => {
            let content = maud::html! {
                h1 { "That did not work" }
                p { (text) }
                p { a.button href=(back) { "Back" } }
            };
            (status, web::bare("That did not work", content)).into_response()
        }
    }
}

/// The page of a session.
pub fn page_of(id: &str) -> String {
    format!("/chat/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_gone_is_told_in_our_words_and_with_the_next_step() {
        let refused = |status| {
            Refusal::from(ApiError::Refused {
                status,
                message: "Session not found: ses_1".to_owned(),
            })
        };

        let Refusal(status, gone) = refused(404);
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(
            gone.contains("choose another one") && !gone.contains("ses_1"),
            "{gone}"
        );
        assert!(
            refused(500).1.contains("Session not found"),
            "anything else is told as it was"
        );
    }
}
