//! The page of the passkeys, for whoever comes from outside, and the list of them for the page of the devices.

use std::{sync::Arc, time::SystemTime};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, Request, Response, StatusCode},
};
use kit::{Chrome, Listener, Notice, NoticeKind, Page};
use web::{Markup, html};

use super::Passkey;
use crate::{
    answer::{self, No},
    api,
    clock::from_ms,
    device,
    form::Form,
    front::Visit,
    keys::Keys,
    session::Session,
};

/// Its entry in the navigation of whoever comes from outside.
pub(crate) const PAGE: Page = Page {
    path: "/passkeys",
    title: "Passkeys",
    icon: "key",
};

/// Longest form with a new key: some put a certificate of their maker beside it.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// `GET /passkeys`, from outside.
pub(crate) async fn show(
    State(keys): State<Arc<Keys>>,
    Extension(chrome): Extension<Arc<Chrome>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    let is_proved = api::is_proved_lately(request.extensions());
    let headers = request.headers();
    match host(&keys, &visit, headers) {
        Some(host) => {
            let page = page(
                &keys,
                &chrome,
                host,
                is_proved.then(|| device::name(headers)),
                None,
            );
            answer::page_with(StatusCode::OK, page)
        }
        None => No::NotFound.answer(headers),
    }
}

/// `POST /passkeys/offer`: what the browser is to make a key for, as JSON. For whoever has just logged in: a key leads in
/// again and again.
pub(crate) async fn offer(
    State(keys): State<Arc<Keys>>,
    Extension(session): Extension<Arc<Session>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    if !api::is_proved_lately(request.extensions()) {
        return No::OldProof.json();
    }
    let host = host(&keys, &visit, request.headers());
    match host.and_then(|host| keys.passkeys.offer(host, &session.id)) {
        Some(offer) => answer::typed(StatusCode::OK, "application/json", offer),
        None => No::NotFound.json(),
    }
}

/// `POST /passkeys/add` with `credential`, the key that the browser made, and `name`.
pub(crate) async fn add(
    State(keys): State<Arc<Keys>>,
    Extension(chrome): Extension<Arc<Chrome>>,
    Extension(session): Extension<Arc<Session>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    let headers = request.headers().clone();
    if !api::is_proved_lately(request.extensions()) {
        return No::OldProof.answer(&headers);
    }
    let Some(host) = host(&keys, &visit, &headers) else {
        return No::NotFound.answer(&headers);
    };
    let form = match Form::read_most(request, FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let name = device::named(form.text("name").expose(), &headers);
    let added = keys
        .passkeys
        .add(host, &name, form.text("credential").expose())
        .await;
    let id = match added {
        Ok(id) => id,
        Err(error) => {
            tracing::warn!(%error, "a passkey was not added");
            let problem = kit::text::sentence(&error.to_string());
            let page = page(&keys, &chrome, host, Some(name), Some(&problem));
            return answer::page_with(StatusCode::UNPROCESSABLE_ENTITY, page);
        }
    };
    if session.ended.is_cancelled() {
        // Whatever ended it was to end what it made as well.
        if let Err(error) = keys.remove_passkey(&id).await {
            tracing::warn!(%error, "a passkey of an ended session could not be removed from the database");
        }
        return No::Session.answer(&headers);
    }
    let source = visit.address;
    tracing::info!(target: "audit", event = "passkey_added", passkey = id, device = name, session = session.id, %source, "a passkey was added");
    tell(&keys, &name, host);
    answer::see("/passkeys")
}

/// `POST /passkeys/remove` with `id`, from outside or at the machine.
pub(crate) async fn remove(
    State(keys): State<Arc<Keys>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    let headers = request.headers().clone();
    if visit.listener == Listener::Tunnel && !api::is_proved_lately(request.extensions()) {
        return No::OldProof.answer(&headers);
    }
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    match keys.remove_passkey(form.text("id").expose()).await {
        Ok(_was_there) => answer::see(match visit.listener {
            Listener::Local => "/devices",
            Listener::Tunnel => PAGE.path,
        }),
        Err(error) => {
            tracing::warn!(%error, "a passkey could not be removed from the database");
            No::Internal.answer(&headers)
        }
    }
}

/// The name that keys are made for; none at the machine itself.
pub(crate) fn host<'h>(keys: &Keys, visit: &Visit, headers: &'h HeaderMap) -> Option<&'h str> {
    let is_outside = visit.listener == Listener::Tunnel;
    keys.passkeys.host(headers).filter(|_| is_outside)
}

fn tell(keys: &Keys, name: &str, host: &str) {
    keys.notices.send(Notice {
        kind: NoticeKind::Login,
        key: "passkey".to_owned(),
        title: "A passkey was added".to_owned(),
        body: format!(
            "{name} enters at {host} without the password now. If this was not you, remove it on the page of the devices and \
             set a new password."
        ),
        page: "/devices".to_owned(),
        answers: Vec::new(),
        away: None,
    });
}

/// The page for `host`. `name` is what a new one would be called; none is added without a late login.
fn page(keys: &Keys, chrome: &Chrome, host: &str, name: Option<String>, problem: Option<&str>) -> Markup {
    let mut passkeys = keys.passkeys.list();
    passkeys.retain(|passkey| passkey.host == host);
    let body = web::Body {
        title: PAGE.title.to_owned(),
        live: None,
        class: "devices",
        content: html! {
            h1 { "Passkeys" }
            section.card aria-labelledby="passkeys-list" {
                h2 #passkeys-list { "Passkeys for " (host) }
                (list(&passkeys, keys.clock.now(), false))
            }
            section.card aria-labelledby="passkeys-add" {
                h2 #passkeys-add { "Add one" }
                (web::form::error("passkey", problem))
                p {
                    "This device enters with its fingerprint, face or PIN then, in place of the password and its code. A new \
                     password, or ending all other sessions, removes every passkey."
                }
                @if let Some(name) = name {
                    form method="post" action="/passkeys/add" data-passkey="/passkeys/offer" hidden {
                        input type="hidden" name="credential";
                        (web::form::line(&web::form::Line {
                            name: "name",
                            label: "What this passkey is called",
                            help: "So that you know it again.",
                            value: &name,
                            error: None,
                            input: web::form::Input::Text,
                        }))
                        button.button.primary type="submit" { "Add a passkey" }
                    }
                    p.muted.no-passkeys { "This browser makes no passkeys." }
                } @else {
                    p.muted { "You logged in more than ten minutes ago. Log out and in again to add or remove one." }
                }
            }
        },
    };
    web::page(chrome, body)
}

/// The passkeys, each with a button to remove it.
pub(crate) fn list(passkeys: &[Passkey], now: SystemTime, names_hosts: bool) -> Markup {
    html! {
        @if passkeys.is_empty() {
            p.muted { "None yet." }
        } @else {
            ul.devices-list {
                @for passkey in passkeys {
                    li {
                        div {
                            strong { (passkey.name) }
                            p {
                                @if names_hosts { "for " (passkey.host) ", " }
                                "added " (web::time::ago(from_ms(passkey.created_ms), now))
                                ", used " (web::time::ago(from_ms(passkey.used_ms), now))
                            }
                        }
                        form method="post" action="/passkeys/remove" {
                            input type="hidden" name="id" value=(passkey.id);
                            button.button type="submit" aria-label=(format!("Remove {}", passkey.name)) { "Remove" }
                        }
                    }
                }
            }
        }
    }
}
