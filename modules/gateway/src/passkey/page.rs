//! The page of the passkeys, for whoever comes from outside, and the list of them for the page of the devices.

use std::{net::IpAddr, sync::Arc, time::SystemTime};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{Extensions, HeaderMap, Request, Response, StatusCode},
};
use kit::{Caller, Chrome, Listener, Notice, NoticeKind, Page, Secret};
use web::{Markup, html};

use super::{NotAdded, Passkey};
use crate::{
    answer::{self, No},
    api,
    clock::from_ms,
    device,
    form::Form,
    front::Visit,
    keys::{Keys, to_its_end},
    session::{Kind, Session},
};

/// Its entry in the navigation of whoever comes from outside.
pub(crate) const PAGE: Page = Page {
    path: "/passkeys",
    title: "Passkeys",
    icon: "key",
};

/// Longest form with a key or a proof of one: some devices have long names for it, and say them twice.
pub(crate) const FORM_BYTES_MAX: usize = 16 * 1024;

/// `GET /passkeys`, from outside.
pub(crate) async fn show(
    State(keys): State<Arc<Keys>>,
    Extension(chrome): Extension<Arc<Chrome>>,
    Extension(session): Extension<Arc<Session>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    let may = may_add(&session, request.extensions());
    let headers = request.headers();
    match host(&keys, &visit, headers) {
        Some(host) => {
            let name = may.map(|()| device::name(headers));
            answer::page_with(StatusCode::OK, page(&keys, &chrome, host, name, None))
        }
        None => No::NotFound.answer(headers),
    }
}

/// `POST /passkeys/offer`: what the browser is to make a key for, as JSON.
pub(crate) async fn offer(
    State(keys): State<Arc<Keys>>,
    Extension(session): Extension<Arc<Session>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    if let Err(no) = may_add(&session, request.extensions()) {
        return no.json();
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
    if let Err(no) = may_add(&session, request.extensions()) {
        return no.answer(&headers);
    }
    let Some(host) = host(&keys, &visit, &headers) else {
        return No::NotFound.answer(&headers);
    };
    let form = match Form::read_most(request, FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let name = device::named(form.text("name").expose(), &headers);
    let new = New {
        session,
        host: host.to_owned(),
        name: name.clone(),
        made: form.text("credential"),
        source: visit.address,
    };
    let added = to_its_end(add_and_tell(Arc::clone(&keys), new)).await;
    match added {
        Ok(()) => answer::see(PAGE.path),
        Err(error) => {
            tracing::warn!(%error, "a passkey was not added");
            let problem = kit::text::sentence(&error.to_string());
            let page = page(&keys, &chrome, host, Ok(name), Some(&problem));
            answer::page_with(StatusCode::UNPROCESSABLE_ENTITY, page)
        }
    }
}

/// A key as it came.
struct New {
    session: Arc<Session>,
    host: String,
    name: String,
    made: Secret,
    source: IpAddr,
}

/// There is no key without a line and a notice about it, whoever hangs up meanwhile.
async fn add_and_tell(keys: Arc<Keys>, new: New) -> Result<(), NotAdded> {
    let New {
        session,
        host,
        name,
        made,
        source,
    } = new;
    let id = keys.passkeys.add(&session, &host, &name, made.expose()).await?;
    tracing::info!(target: "audit", event = "passkey_added", passkey = id, device = name, session = session.id, %source, "a passkey was added");
    keys.notices.send(Notice {
        kind: NoticeKind::Login,
        key: format!("passkey-{id}"),
        title: "A passkey was added".to_owned(),
        body: format!(
            "{name} enters at {host} without the password now; it was added from {source} by {}. If this was not you, remove \
             it on the page of the devices and set a new password.",
            session.device
        ),
        page: "/devices".to_owned(),
        answers: Vec::new(),
        away: None,
    });
    Ok(())
}

/// A key leads in again and again, so it is for whoever has given the password, or another key, a moment ago. A code from
/// a scan is for one device.
fn may_add(session: &Session, extensions: &Extensions) -> Result<(), No> {
    match session.kind {
        Kind::Login | Kind::Passkey if api::is_proved_lately(extensions) => Ok(()),
        Kind::Login | Kind::Passkey => Err(No::OldProof),
        Kind::Link | Kind::Paired | Kind::Window | Kind::Script => Err(No::ByCode),
    }
}

/// `POST /passkeys/remove` with `id`, from outside or at the machine.
pub(crate) async fn remove(
    State(keys): State<Arc<Keys>>,
    Extension(caller): Extension<Caller>,
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
    let id = form.text("id");
    match keys.remove_passkey(id.expose(), Some(&caller.session)).await {
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

/// The page for `host`. `name` is what a new one would be called, or why none is added.
fn page(keys: &Keys, chrome: &Chrome, host: &str, name: Result<String, No>, problem: Option<&str>) -> Markup {
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
                @if let Ok(name) = &name {
                    form method="post" action="/passkeys/add" data-passkey="/passkeys/offer" hidden {
                        input type="hidden" name="credential";
                        (web::form::line(&web::form::Line {
                            name: "name",
                            label: "What this passkey is called",
                            help: "So that you know it again.",
                            value: name,
                            error: None,
                            input: web::form::Input::Text,
                        }))
                        button.button.primary type="submit" { "Add a passkey" }
                    }
                    p.muted.no-passkeys { "This browser makes no passkeys." }
                } @else if let Err(No::ByCode) = name {
                    p.muted { "This device came in with a code. Log out, and in again with the password, to add one." }
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
                                @if passkey.used_ms > passkey.created_ms {
                                    ", used " (web::time::ago(from_ms(passkey.used_ms), now))
                                } @else { ", not used yet" }
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
