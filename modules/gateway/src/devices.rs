//! The page of the devices: who is logged in, with a button to end each.

use std::{sync::Arc, time::SystemTime};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{Request, Response, StatusCode},
};
use kit::{Caller, Chrome, Listener, Page};
use web::{Markup, html};

use crate::{
    answer::{self, No},
    door::{Door, SessionView},
    form::Form,
    keys::Keys,
    password,
};

/// Its entry in the navigation.
pub(crate) const PAGE: Page = Page {
    path: "/devices",
    title: "Devices",
    icon: "devices",
};

/// `GET /devices`.
pub(crate) async fn show(
    State(keys): State<Arc<Keys>>,
    Extension(chrome): Extension<Arc<Chrome>>,
) -> Response<Body> {
    answer::page_with(StatusCode::OK, page(&keys, &chrome, None))
}

/// `POST /devices/revoke` with `id`, or with `others` to end all but this one.
pub(crate) async fn revoke(
    State(keys): State<Arc<Keys>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Response<Body> {
    let headers = request.headers().clone();
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let (id, others) = (form.text("id"), form.text("others"));
    let outcome = match others.expose() {
        "" => keys.sessions.end(|session| session.id == id.expose()).await,
        _ => keys.end_all_but(Some(&caller.session)).await,
    };
    tracing::info!(target: "audit", event = "revoke", by = caller.session, session = id.expose(), "sessions were revoked");
    match outcome {
        Ok(_) => answer::see("/devices"),
        Err(error) => {
            tracing::warn!(%error, "ended sessions could not be removed from the database");
            No::Internal.answer(&headers)
        }
    }
}

/// The page; `problem` belongs to the password's form.
pub(crate) fn page(keys: &Arc<Keys>, chrome: &Chrome, problem: Option<&str>) -> Markup {
    let door = Door(Arc::clone(keys));
    let (sessions, now) = (door.sessions(), keys.clock.now());
    let body = web::Body {
        title: "Devices".to_owned(),
        live: None,
        class: "devices",
        content: html! {
            h1 { "Devices" }
            section.card aria-labelledby="devices-sessions" {
                h2 #devices-sessions { "Logged in" }
                ul.devices-list {
                    @for session in &sessions { li { (row(session, &chrome.caller, now)) } }
                }
                @if sessions.len() > 1 {
                    form method="post" action="/devices/revoke" {
                        input type="hidden" name="others" value="1";
                        button.button type="submit" { "End all others" }
                    }
                }
            }
            section.card aria-labelledby="devices-password" {
                h2 #devices-password { "Password" }
                p { "A new password ends all other sessions." }
                (password::form(door.has_password(), problem))
            }
        },
    };
    web::page(chrome, body)
}

fn row(session: &SessionView, caller: &Caller, now: SystemTime) -> Markup {
    let is_own = session.id == caller.session;
    let place = match session.listener {
        Listener::Local => "at this machine",
        Listener::Tunnel => "from outside",
    };
    html! {
        div {
            strong { (session.device) }
            @if is_own { " (this one)" }
            p { (session.kind.words()) ", " (place) ", used " (web::time::ago(session.used, now)) }
        }
        form method="post" action="/devices/revoke" {
            input type="hidden" name="id" value=(session.id);
            button.button type="submit" aria-label=(format!("End {}", session.device)) { "End" }
        }
    }
}
