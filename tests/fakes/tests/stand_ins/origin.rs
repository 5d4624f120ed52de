//! Something behind a tunnel.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{
        State,
        ws::{WebSocket, WebSocketUpgrade},
    },
    http::HeaderMap,
    response::Response,
    routing::{any, get},
};
use futures_util::stream;
use tokio::{net::TcpListener, sync::Semaphore};

/// An origin that shows what it got, streams a piece for each permit, and echoes over WebSockets.
pub struct Origin {
    pub url: String,
    /// `/stream` takes one for each of its two pieces, `/late` one for its answer.
    pub pieces: Arc<Semaphore>,
}

impl Origin {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pieces = Arc::new(Semaphore::new(0));
        let routes = Router::new()
            .route("/", any(headers))
            .route("/stream", any(streamed))
            .route("/late", any(late))
            .route("/body", any(async |body: String| body.len().to_string()))
            .route(
                "/echo",
                get(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)),
            )
            .with_state(Arc::clone(&pieces));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, pieces }
    }
}

async fn headers(headers: HeaderMap) -> String {
    let all: serde_json::Map<String, serde_json::Value> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()))
        .collect();
    serde_json::Value::Object(all).to_string()
}

async fn streamed(State(pieces): State<Arc<Semaphore>>) -> Response {
    let body = stream::unfold((pieces, 2), |(pieces, left)| async move {
        let left = u32::checked_sub(left, 1)?;
        pieces.acquire().await.ok()?.forget();
        Some((Ok::<_, std::io::Error>("piece"), (pieces, left)))
    });
    Response::new(Body::from_stream(body))
}

async fn late(State(pieces): State<Arc<Semaphore>>) -> &'static str {
    pieces.acquire().await.unwrap().forget();
    "late"
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
