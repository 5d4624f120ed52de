//! The HTTP side of the scripted model.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{self, Manner},
    request::{Asked, Purpose},
    script::{Item, Script},
    text,
};
use crate::offline::{MODEL, OTHER_MODEL};

/// Largest request taken: prompts carry pictures.
const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Prompts whose attempts are counted at most; then counting begins anew.
const PROMPTS_MAX: usize = 10_000;

/// A running scripted model. Dropping it ends it at once, open answers included.
pub struct Model {
    address: SocketAddr,
    requests: Requests,
    stop: CancellationToken,
    _task: AbortOnDrop,
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What has been asked so far: attempts per step of a conversation.
#[derive(Clone, Default)]
struct Requests(Arc<Mutex<HashMap<(String, usize), u32>>>);

impl Requests {
    /// Counts one more attempt and gives how many there were before.
    fn count(&self, asked: &Asked) -> u32 {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= PROMPTS_MAX {
            seen.clear();
        }
        let attempts = seen.entry((asked.prompt.clone(), asked.messages)).or_insert(0);
        *attempts += 1;
        *attempts - 1
    }
}

impl Model {
    /// Starts a model on a free loopback port, or on `port`.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| format!("could not listen on 127.0.0.1:{port}"))?;
        let address = listener
            .local_addr()
            .context("could not read the model's own address")?;
        let requests = Requests::default();
        let routes = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(complete))
            .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .with_state(requests.clone());
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            // Serving ends with an error only when the listener is gone, and then nobody is left to tell.
            axum::serve(listener, routes)
                .with_graceful_shutdown(stopped)
                .await
                .ok();
        });
        Ok(Self {
            address,
            requests,
            stop,
            _task: AbortOnDrop(task),
        })
    }

    /// E.g. `"http://127.0.0.1:4711"`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often anything was asked.
    pub fn requests(&self) -> u32 {
        let seen = self.requests.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.values().sum()
    }

    /// Takes no further requests.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

async fn models() -> Json<Value> {
    let model = |id: &str| json!({"id": id, "object": "model", "owned_by": "scripted"});
    Json(json!({"object": "list", "data": [model(MODEL), model(OTHER_MODEL)]}))
}

async fn complete(State(requests): State<Requests>, Json(body): Json<Value>) -> Response {
    let asked = Asked::read(&body);
    let script = match asked.purpose {
        Purpose::Turn => Script::parse(&asked.prompt),
        Purpose::Title => saying(text::title(&asked.prompt)),
        Purpose::Summary => {
            saying("The conversation so far, in one sentence: all went as scripted.".to_owned())
        }
    };
    let attempt = requests.count(&asked);
    if let Some(error) = script.error.filter(|error| error.hits(attempt)) {
        return refuse(error.figure, script.retry_after);
    }
    let manner = Manner {
        rate: script.rate,
        cut_after: script.cut.filter(|cut| cut.hits(attempt)).map(|cut| cut.figure),
    };
    let items = script.step(asked.calls_done);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Body::from_stream(answer::stream(items, manner, asked))).into_response()
}

fn saying(text: String) -> Script {
    Script {
        items: vec![Item::Say(text)],
        ..Script::default()
    }
}

fn refuse(status: u32, retry_after: Option<u32>) -> Response {
    let status = u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let words = format!("the script says {}", status.as_u16());
    let mut response = (
        status,
        Json(json!({"error": {"message": words, "type": "scripted", "code": "scripted"}})),
    )
        .into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
