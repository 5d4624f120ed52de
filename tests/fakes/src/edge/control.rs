//! What a test can say to a running edge.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{delete, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Made, Rules, Wanted, quick, table::Table};

type Edge = State<Arc<Table>>;
type Failure = (StatusCode, String);

pub(super) fn routes(table: Arc<Table>) -> Router {
    Router::new()
        .route("/tunnel", post(quick::make))
        .route("/state", get(async |State(table): Edge| Json(table.state())))
        .route("/tunnels", post(make))
        .route("/tunnels/{id}", delete(forget))
        .route("/ingress", post(push))
        .route("/drop", post(cut))
        .route("/quick", post(quick_answers))
        .route("/rules", post(rules))
        .with_state(table)
}

async fn make(State(table): Edge, Json(wanted): Json<Wanted>) -> Json<Made> {
    Json(table.make(&wanted))
}

async fn forget(State(table): Edge, Path(id): Path<String>) -> StatusCode {
    if table.delete(&id) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Push {
    tunnel: String,
    ingress: Value,
}

async fn push(State(table): Edge, Json(push): Json<Push>) -> Result<Json<Value>, Failure> {
    let version = table
        .push(&push.tunnel, &push.ingress)
        .ok_or_else(|| (StatusCode::NOT_FOUND, "there is no such tunnel".to_owned()))?;
    Ok(Json(json!({"version": version})))
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Cut {
    tunnel: Option<String>,
    index: Option<usize>,
    /// How long nobody registers; registrations meanwhile get no answer.
    for_ms: u64,
}

async fn cut(State(table): Edge, Json(cut): Json<Cut>) -> Json<Value> {
    let closed_for = Duration::from_millis(cut.for_ms);
    let dropped = table.drop_links(cut.tunnel.as_deref(), cut.index, closed_for);
    Json(json!({"dropped": dropped}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuickAnswers {
    answers: Vec<Answer>,
}

async fn quick_answers(State(table): Edge, Json(next): Json<QuickAnswers>) -> StatusCode {
    table.answer_quick(next.answers);
    StatusCode::NO_CONTENT
}

/// The named rules change, all others stay.
async fn rules(State(table): Edge, Json(change): Json<Value>) -> Result<Json<Rules>, Failure> {
    let unprocessable = |error: serde_json::Error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
    let mut merged = serde_json::to_value(table.rules()).map_err(unprocessable)?;
    if let (Some(merged), Value::Object(change)) = (merged.as_object_mut(), change) {
        merged.extend(change);
    }
    let rules: Rules = serde_json::from_value(merged).map_err(unprocessable)?;
    table.set(|now| *now = rules.clone());
    Ok(Json(rules))
}
