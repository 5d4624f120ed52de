//! `/devices/audit`: what was done, the newest first, and whether any of it was changed since.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderValue, Request, Response, StatusCode, header},
};
use kit::Chrome;
use serde_json::{Map, Value};
use web::{
    Markup, html,
    parts::{self, Tone},
};

use super::{Line, newest, read, verify};
use crate::{
    answer::{self, No},
    form,
    keys::Keys,
};

/// Lines on a page.
const LINES: u32 = 100;

/// Members with a place of their own.
const PLACED: [&str; 4] = ["seq", "at", "event", "text"];

/// What a page is made of.
struct Found {
    lines: Vec<Line>,
    /// What was found along the whole chain, as a sentence.
    whole: Result<String, String>,
}

/// `GET /devices/audit?before=…`.
pub(crate) async fn show(
    State(keys): State<Arc<Keys>>,
    Extension(chrome): Extension<Arc<Chrome>>,
    request: Request<Body>,
) -> Response<Body> {
    let before = form::queried(request.uri(), "before").expose().parse().ok();
    // Every line is gone along: not on a thread that serves others.
    let found = tokio::task::spawn_blocking(move || look(&keys, before)).await;
    let error = match found {
        Ok(Ok(found)) => return answer::page_with(StatusCode::OK, page(&chrome, &found)),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::warn!(%error, "the audit log could not be read");
    No::Internal.answer(request.headers())
}

/// `GET /devices/audit/export`: every line as JSON, the oldest first.
pub(crate) async fn export(State(keys): State<Arc<Keys>>, request: Request<Body>) -> Response<Body> {
    let all = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        read(&keys.store, |line| {
            // Writing to a string cannot fail.
            let _written = writeln!(text, "{}", line.members());
            true
        })
        .map(|()| text)
    });
    let Ok(Ok(text)) = all.await else {
        return No::Internal.answer(request.headers());
    };
    let mut response = answer::typed(StatusCode::OK, "application/jsonl; charset=utf-8", text);
    let name = HeaderValue::from_static("attachment; filename=\"opencode-nexus-audit.jsonl\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    response
}

fn look(keys: &Keys, before: Option<i64>) -> Result<Found, store::StoreError> {
    let whole = match verify(&keys.store)? {
        Ok(whole) => Ok(format!(
            "{} lines, each as it was written.{}",
            whole.lines,
            if whole.former > 0 {
                " Older ones have made room."
            } else {
                ""
            }
        )),
        Err(broken) => Err(format!(
            "Somebody has changed what is written here: {broken}. Lines before it are as they were."
        )),
    };
    let lines = newest(&keys.store, before, LINES)?;
    Ok(Found { lines, whole })
}

fn page(chrome: &Chrome, found: &Found) -> Markup {
    let oldest = found.lines.last().map(|line| line.seq);
    let body = web::Body {
        title: "What was done".to_owned(),
        live: None,
        class: "devices",
        content: html! {
            h1 { "What was done" }
            p.muted { "Logins, devices, answers to permissions, remote access and settings, the newest first." }
            @match &found.whole {
                Ok(whole) => p { (whole) },
                Err(broken) => (parts::message(Tone::Bad, broken)),
            }
            section.card {
                @if found.lines.is_empty() { p { "Nothing yet." } }
                ol.audit reversed { @for line in &found.lines { li { (row(line)) } } }
                div.actions {
                    @if found.lines.len() == LINES as usize && let Some(oldest) = oldest {
                        a.button href=(format!("/devices/audit?before={oldest}")) { "Earlier" }
                    }
                    a.button href="/devices/audit/export" download { "Export all" }
                    a.button href="/devices" { "Back to the devices" }
                }
            }
        },
    };
    web::page(chrome, body)
}

fn row(line: &Line) -> Markup {
    let members = match serde_json::from_str(&line.text) {
        Ok(Value::Object(members)) => members,
        Ok(_) | Err(_) => Map::new(),
    };
    let at = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    html! {
        time datetime=(at("at")) { (at("at").replace('T', " ").replace('Z', " UTC")) }
        strong { (at("event").replace('_', " ")) }
        span {
            (at("text"))
            @for (name, value) in &members {
                @if !PLACED.contains(&name.as_str()) {
                    " · " span.muted { (name) } " " (plain(value))
                }
            }
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
