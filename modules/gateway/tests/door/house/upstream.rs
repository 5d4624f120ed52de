//! An upstream that records what reaches it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

/// What reached the upstream.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: String,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

#[derive(Default)]
pub struct Record {
    pub(super) requests: Mutex<Vec<Recorded>>,
    pub(super) answer: Mutex<Option<fn() -> Response>>,
}

pub(super) async fn serve_upstream(record: Arc<Record>) -> SocketAddr {
    async fn answer(State(record): State<Arc<Record>>, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX)
            .await
            .map(|bytes| bytes.to_vec())
            .unwrap_or_default();
        record.requests.lock().unwrap().push(Recorded {
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            headers: parts.headers,
            body,
        });
        let scripted = *record.answer.lock().unwrap();
        match scripted {
            Some(answer) => answer(),
            None => (
                StatusCode::OK,
                [("content-type", "application/json")],
                "{\"from\":\"upstream\"}",
            )
                .into_response(),
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer).with_state(record);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// An answer of the upstream with this status, kind and body.
pub fn upstream_says(status: StatusCode, kind: &'static str, body: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", kind.parse().unwrap());
    response
}
