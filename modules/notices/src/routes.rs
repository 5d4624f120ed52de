//! What pages and service workers ask of this module.

use std::sync::Arc;

use axum::{
    Extension, Form, Json, Router,
    extract::{DefaultBodyLimit, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use kit::{Caller, Chrome, Listener, Reply, Verb};
use serde::Deserialize;

use crate::{
    Notices, page,
    push::{NotKept, Subscription},
    push_page::{self, Problem, View},
};

/// Longest body of a request: a subscription.
const BODY_BYTES_MAX: usize = 8 * 1024;

pub(crate) fn routes(module: Arc<Notices>) -> Router {
    Router::new()
        .route("/", get(show))
        .route("/read", post(read))
        .route("/push", post(subscribe))
        .route("/push/off", post(unsubscribe))
        .route("/push/trial", post(try_out))
        .route("/press", post(press))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(module)
}

/// `GET /notices`: the list at the machine; elsewhere, where it may name what is not to be seen, whether this device is
/// told.
async fn show(
    State(module): State<Arc<Notices>>,
    Extension(chrome): Extension<Arc<Chrome>>,
    Query(asked): Query<Asked>,
) -> Response {
    if chrome.caller.listener == Listener::Local {
        return page::show(&module.list, &chrome).await.into_response();
    }
    let key = module.push.public_key().await.map_err(|error| {
        format!(
            "Devices cannot be told, because the key for it is kept with the secrets: {}.",
            error
        )
    });
    let is_on = match module.push.tells(&chrome.caller.session).await {
        Ok(is_on) => is_on,
        Err(error) => return failed(&error),
    };
    let view = View {
        key,
        is_on,
        has_details: module.settings.get().away_details,
        problem: asked.problem.as_deref().map(Problem::parse),
    };
    push_page::show(&view, &chrome).into_response()
}

/// What a page is asked with.
#[derive(Deserialize)]
struct Asked {
    problem: Option<String>,
}

/// `POST /notices/read`.
async fn read(State(module): State<Arc<Notices>>) -> Response {
    match module.ask(Verb::bare("read")).await {
        Ok(_) => back(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// `POST /notices/push`: what a browser says of its subscription.
async fn subscribe(
    State(module): State<Arc<Notices>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Json(subscription): Json<Subscription>,
) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // At the machine the desktop's own bubbles tell; no browser there has a worker to subscribe with.
    let (Listener::Tunnel, Some(host)) = (caller.listener, host) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let site = format!("https://{host}");
    match module.push.subscribe(subscription, &caller.session, &site).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error @ (NotKept::NotSaved(_) | NotKept::Unsigned(_))) => failed(&error),
        Err(error @ (NotKept::Nonsense | NotKept::Stranger(_))) => {
            (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response()
        }
    }
}

/// `POST /notices/push/off`.
async fn unsubscribe(State(module): State<Arc<Notices>>, Extension(caller): Extension<Caller>) -> Response {
    match module.push.unsubscribe(&caller.session).await {
        Ok(()) => back(),
        Err(error) => failed(&error),
    }
}

/// `POST /notices/push/trial`.
async fn try_out(State(module): State<Arc<Notices>>, Extension(caller): Extension<Caller>) -> Response {
    module.push.try_out(&caller.session);
    back()
}

/// A pressed button.
#[derive(Deserialize)]
struct Pressed {
    press: String,
}

/// `POST /notices/press`: 204 when it is done, else a sentence.
async fn press(
    State(module): State<Arc<Notices>>,
    Extension(caller): Extension<Caller>,
    Form(pressed): Form<Pressed>,
) -> Response {
    let has_details = module.settings.get().away_details;
    match module
        .push
        .press(&pressed.press, &caller.session, has_details)
        .await
    {
        Some(Ok(Reply::Done | Reply::Json(_) | Reply::Text(_))) => StatusCode::NO_CONTENT.into_response(),
        Some(Ok(Reply::Note(text))) => text.into_response(),
        Some(Err(error)) => (StatusCode::CONFLICT, format!("{error}.")).into_response(),
        None => (
            StatusCode::GONE,
            "It is answered already, or no longer asked for.",
        )
            .into_response(),
    }
}

fn back() -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, "/notices")]).into_response()
}

fn failed(error: &dyn std::error::Error) -> Response {
    tracing::warn!(%error, "the devices that are told could not be read or written");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "The list of devices failed. The log says why.",
    )
        .into_response()
}
