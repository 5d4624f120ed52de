//! Pairing: a phone scans a code that was shown at the machine, and is in.
//!
//! The code replaces the password for that one device, so it leads in once and not for long, only from outside, and only
//! for whoever presses the button: programs that preview links burn nothing.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{Request, Response, StatusCode},
};
use kit::{Listener, Notice, NoticeKind};
use tokio::time::Instant;
use web::{Markup, html};

use crate::{
    answer::{self, No},
    begin::{self, NotBegun},
    device,
    form::{self, Form},
    front::Visit,
    keys::Keys,
    session::{Kind, Session},
};

/// `GET /pair?code=…`, on the tunnel's listener.
pub(crate) async fn show(visit: Visit, request: Request<Body>) -> Response<Body> {
    if visit.listener != Listener::Tunnel {
        return No::NotFound.answer(request.headers());
    }
    let code = form::queried(request.uri(), "code");
    answer::page_with(
        StatusCode::OK,
        page(code.expose(), &device::name(request.headers())),
    )
}

/// `POST /pair` with `code` and `name`.
pub(crate) async fn submit(
    State(keys): State<Arc<Keys>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    let headers = request.headers().clone();
    if visit.listener != Listener::Tunnel {
        return No::NotFound.answer(&headers);
    }
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let entry = keys
        .tickets
        .consume(form.text("code").expose(), visit.listener, Instant::now());
    let result = if entry.is_some() { "right" } else { "wrong" };
    tracing::info!(target: "audit", event = "pair", listener = visit.listener.as_str(), source = %visit.address, result, "a pairing code was presented");
    let Some(entry) = entry else {
        return expired();
    };
    // A device that was revoked meanwhile has its link still.
    let is_there = || {
        entry
            .replaces
            .as_ref()
            .is_none_or(|id| keys.sessions.get(id).is_some())
    };
    if !is_there() {
        return expired();
    }
    begin::end_former(&keys, &visit, &headers).await;
    let device = device::named(form.text("name").expose(), &headers);
    let still_holds = || keys.tickets.holds(&entry) && is_there();
    match begin::begin(&keys, &visit, Kind::Paired, &device, &entry.path, still_holds).await {
        Ok((session, response)) => {
            if let Some(former) = &entry.replaces {
                begin::end(&keys, former).await;
            }
            tell(&keys, &visit, &session);
            response
        }
        Err(NotBegun::Void) => expired(),
        Err(NotBegun::Failed) => No::Internal.answer(&headers),
    }
}

fn tell(keys: &Keys, visit: &Visit, session: &Session) {
    keys.notices.send(Notice {
        kind: NoticeKind::Login,
        key: format!("login-{}", session.id),
        title: "A device was paired".to_owned(),
        body: format!(
            "{} at {} reaches the chat from outside now. If this was not you, end its session on the page of the devices.",
            session.device, visit.address
        ),
        page: "/devices".to_owned(),
        answers: Vec::new(),
        away: None,
    });
}

fn page(code: &str, device: &str) -> Markup {
    web::bare(
        "Pair this device",
        html! {
            h1 { "Pair this device" }
            p { "It will reach the chat of your machine without a password, until you log it out." }
            form method="post" action="/pair" {
                input type="hidden" name="code" value=(code);
                (web::form::line(&web::form::Line {
                    name: "name",
                    label: "What this device is called",
                    help: "So that you know it again in the list of devices.",
                    value: device,
                    error: None,
                    input: web::form::Input::Text,
                }))
                button.button.primary type="submit" { "Pair" }
            }
        },
    )
}

fn expired() -> Response<Body> {
    let page = web::bare(
        "Code expired",
        html! {
            h1 { "This code does not work any more" }
            p {
                "It was used already, or it is too old. At the machine, " code { "nexus devices pair" }
                " or the page of the devices shows a new one."
            }
            p { a href="/login" { "Log in with the password" } }
        },
    );
    answer::page_with(StatusCode::UNAUTHORIZED, page)
}
