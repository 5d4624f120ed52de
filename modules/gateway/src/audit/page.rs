//! `/devices/audit`: what was done, the newest first, and whether any of it was changed since.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderValue, Request, Response, StatusCode, header},
};
use kit::Chrome;
use web::{
    Markup, html,
    parts::{self, Tone},
};

use super::{Line, Whole, damage, newest, read, verify};
use crate::{
    answer::{self, No},
    form,
    keys::Keys,
};

/// Lines on a page.
const LINES: u32 = 100;

/// What a page is made of.
struct Found {
    lines: Vec<Line>,
    /// What was found along the whole chain, as a sentence. Said on the first page alone: it is a long way.
    whole: Option<Result<String, String>>,
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

/// `GET /devices/audit/export`: every line as JSON with its text as it was hashed, the oldest first; before it, the hash
/// that it begins with.
pub(crate) async fn export(State(keys): State<Arc<Keys>>, request: Request<Body>) -> Response<Body> {
    let all = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        read(&keys.store, |line| {
            // Writing to a string cannot fail.
            let _written = writeln!(text, "{}", line.exported());
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
    let whole = match before {
        None => Some(verify(&keys.store)?.map_err(|broken| damage(&broken)).map(words)),
        Some(_) => None,
    };
    let lines = match newest(&keys.store, before, LINES) {
        // What is broken is said even when not a line can be read.
        Err(_) if matches!(whole, Some(Err(_))) => Vec::new(),
        lines => lines?,
    };
    Ok(Found { lines, whole })
}

fn words(whole: Whole) -> String {
    let former = if whole.former > 0 {
        " Older ones have made room."
    } else {
        ""
    };
    format!("{} lines, each as it was written.{former}", whole.lines)
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
                Some(Ok(whole)) => p { (whole) },
                Some(Err(broken)) => (parts::message(Tone::Bad, broken)),
                None => {}
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
    let told = line.told();
    html! {
        time datetime=(told.at) { (told.at.replace('T', " ").replace('Z', " UTC")) }
        strong { (told.event.replace('_', " ")) }
        span {
            (told.text)
            @for (name, value) in &told.others { " · " span.muted { (name) } " " (value) }
        }
    }
}
