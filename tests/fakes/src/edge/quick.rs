//! The service that gives out quick tunnels.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::table::Table;
use crate::ids;

/// How one request for a quick tunnel is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// With a tunnel.
    Made,
    /// 429 and `error code: 1015`, as when too many were asked for.
    RateLimited,
    /// 500 and a page.
    Broken,
    /// 200 and JSON that says no.
    Refused,
    /// 200 and JSON that ends in the middle.
    Truncated,
    /// Not at all.
    Silent,
}

pub(super) async fn make(State(table): State<Arc<Table>>) -> Response {
    match table.next_quick_answer() {
        Answer::Made => made(&table),
        Answer::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "error code: 1015").into_response(),
        Answer::Broken => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/html")],
            "<html><body>Internal Server Error</body></html>",
        )
            .into_response(),
        Answer::Refused => Json(json!({
            "success": false,
            "result": null,
            "errors": [{"code": 1101, "message": "something went wrong"}],
        }))
        .into_response(),
        Answer::Truncated => (
            [(header::CONTENT_TYPE, "application/json")],
            "{\"success\":true,\"result\":{\"id\":\"",
        )
            .into_response(),
        Answer::Silent => std::future::pending().await,
    }
}

fn made(table: &Table) -> Response {
    let (id, hostname, secret) = table.make_quick();
    Json(json!({
        "success": true,
        "result": {
            "id": id,
            "name": format!("qt-{}", ids::ray()),
            "hostname": hostname,
            "account_tag": ids::tag(),
            "secret": secret,
        },
        "errors": [],
    }))
    .into_response()
}
