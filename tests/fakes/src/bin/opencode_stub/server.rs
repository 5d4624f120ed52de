//! The few routes a client asks before it does anything else.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response, Sse, sse::Event},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::stream;
use serde_json::{Value, json};

use crate::{behaviour::Behaviour, trouble};

/// As often as the real one (1.18.33).
const HEARTBEAT: Duration = Duration::from_secs(10);

struct Door {
    behaviour: Behaviour,
    began: std::time::Instant,
    burning: std::sync::Once,
    /// The only `Authorization` that opens; `None` without a password.
    key: Option<String>,
}

pub(crate) async fn serve(listener: tokio::net::TcpListener, behaviour: Behaviour) -> std::io::Result<()> {
    let password = std::env::var("OPENCODE_SERVER_PASSWORD").unwrap_or_default();
    let user = std::env::var("OPENCODE_SERVER_USERNAME").unwrap_or_else(|_unset| "opencode".to_owned());
    let needs_key = !password.is_empty() && !behaviour.is_open;
    let key = needs_key.then(|| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
    let empty_list = || get(|| async { Json(json!([])) });
    let empty_object = || get(|| async { Json(json!({})) });
    let door = Arc::new(Door {
        behaviour,
        began: std::time::Instant::now(),
        burning: std::sync::Once::new(),
        key,
    });
    let router = Router::new()
        .route("/global/health", get(health))
        .route("/global/dispose", post(|| async { Json(json!(true)) }))
        .route("/global/event", get(events))
        .route("/session", empty_list())
        .route("/session/status", empty_object())
        .route("/permission", empty_list())
        .route("/question", empty_list())
        .route("/agent", empty_list())
        .route("/command", empty_list())
        .route("/config", empty_object())
        .route("/path", empty_object())
        .route("/project", empty_list())
        .route("/experimental/session", empty_list())
        .route(
            "/config/providers",
            get(|| async { Json(json!({"providers": [], "default": {}})) }),
        )
        .fallback(|| async { Html("<!doctype html><title>opencode</title>") })
        .layer(middleware::from_fn_with_state(Arc::clone(&door), check))
        .with_state(door);
    axum::serve(listener, router).await
}

async fn check(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if let Some((after, length)) = door.behaviour.busy {
        let age = door.began.elapsed();
        if age >= after && age < after + length {
            door.burning.call_once(|| trouble::burn(after + length - age));
            tokio::time::sleep(after + length - age).await;
        }
    }
    if door.behaviour.is_unready {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if door.key.is_some() && door.key.as_deref() != given {
        let realm = [(header::WWW_AUTHENTICATE, "Basic realm=\"Secure Area\"")];
        return (StatusCode::UNAUTHORIZED, realm).into_response();
    }
    next.run(request).await
}

async fn health(State(door): State<Arc<Door>>) -> Json<Value> {
    Json(json!({"healthy": true, "version": door.behaviour.version}))
}

async fn events() -> Sse<impl stream::Stream<Item = Result<Event, Infallible>>> {
    let beats = stream::unfold(true, |is_first| async move {
        let kind = if is_first {
            "server.connected"
        } else {
            tokio::time::sleep(HEARTBEAT).await;
            "server.heartbeat"
        };
        let line = json!({"payload": {"id": "evt_1", "type": kind, "properties": {}}});
        Some((Ok(Event::default().data(line.to_string())), false))
    });
    Sse::new(beats)
}
