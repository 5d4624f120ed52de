//! Entering with a ticket.
//!
//! A link is shown to whoever follows it as a page with one button, and only the button uses the ticket up: programs
//! that preview links burn nothing. The program's own window sends its ticket in a header and enters at once.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Request, Response, StatusCode, header},
};
use kit::Listener;
use tokio::time::Instant;
use web::html;

use crate::{
    answer::{self, No},
    begin::{self, NotBegun},
    device,
    form::{self, Form},
    front::Visit,
    headers::OwnWindow,
    keys::Keys,
    session::Kind,
    ticket::{Entry, Purpose},
};

/// `GET /enter?ticket=…`, or with `Authorization: Ticket …`.
pub(crate) async fn show(
    State(keys): State<Arc<Keys>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    if visit.listener != Listener::Local {
        return No::NotFound.answer(request.headers());
    }
    if let Some(given) = request.headers().get(header::AUTHORIZATION) {
        let secret = given
            .to_str()
            .ok()
            .and_then(|given| given.strip_prefix("Ticket "));
        return consume(&keys, &visit, request.headers(), secret.unwrap_or_default()).await;
    }
    let ticket = form::queried(request.uri(), "ticket");
    let page = web::bare(
        "Enter",
        html! {
            h1 { "Enter OpenCode Nexus" }
            p { "This link works once, in this browser, and only for a short time." }
            form method="post" action="/enter" {
                input type="hidden" name="ticket" value=(ticket.expose());
                button.button.primary type="submit" autofocus { "Enter" }
            }
        },
    );
    answer::page_with(StatusCode::OK, page)
}

/// `POST /enter` with `ticket`.
pub(crate) async fn submit(
    State(keys): State<Arc<Keys>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    if visit.listener != Listener::Local {
        return No::NotFound.answer(request.headers());
    }
    let headers = request.headers().clone();
    match Form::read(request).await {
        Ok(form) => consume(&keys, &visit, &headers, form.text("ticket").expose()).await,
        Err(refusal) => refusal,
    }
}

async fn consume(keys: &Arc<Keys>, visit: &Visit, headers: &HeaderMap, secret: &str) -> Response<Body> {
    let entry = keys.tickets.consume(secret, visit.listener, Instant::now());
    let is_own_window = entry
        .as_ref()
        .is_some_and(|entry| entry.purpose == Purpose::Window);
    let mut response = lead_in(keys, visit, headers, entry).await;
    if is_own_window {
        response.extensions_mut().insert(OwnWindow);
    }
    response
}

async fn lead_in(
    keys: &Arc<Keys>,
    visit: &Visit,
    headers: &HeaderMap,
    entry: Option<Entry>,
) -> Response<Body> {
    let result = if entry.is_some() { "right" } else { "wrong" };
    tracing::info!(target: "audit", event = "ticket", listener = visit.listener.as_str(), source = %visit.address, result, "a ticket was presented");
    let Some(entry) = entry else {
        return expired();
    };
    if let Some(session) = keys.session(visit.listener, headers) {
        // Who is in already stays in the same session: another window must not end the first one's.
        keys.sessions.proved(&session);
        return answer::see(&entry.path);
    }
    let (kind, device) = match entry.purpose {
        Purpose::Window => (Kind::Window, "Window on this machine".to_owned()),
        Purpose::Link | Purpose::SetUp => (Kind::Link, device::name(headers)),
        // Good at the other listener only.
        Purpose::Pairing => return expired(),
    };
    match begin::begin(keys, visit, kind, &device, &entry.path, || {
        keys.tickets.holds(&entry)
    })
    .await
    {
        Ok((_, response)) => response,
        Err(NotBegun::Void) => expired(),
        Err(NotBegun::Failed) => No::Internal.answer(headers),
    }
}

fn expired() -> Response<Body> {
    let page = web::bare(
        "Link expired",
        html! {
            h1 { "This link does not work any more" }
            p { "It was used already, or it is too old. At the machine, " code { "nexus open --print-url" } " makes a new one." }
            p { a href="/login" { "Log in with the password" } }
        },
    );
    answer::page_with(StatusCode::UNAUTHORIZED, page)
}
