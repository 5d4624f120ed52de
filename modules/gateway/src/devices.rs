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
    api,
    door::{Door, Pairing, SessionView},
    form::Form,
    keys::Keys,
    passkey, password,
    remote::Capability,
    second,
    settings::GatewaySettings,
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
    let is_proved = api::is_proved_lately(request.extensions());
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let (id, others) = (form.text("id"), form.text("others"));
    if !others.expose().is_empty() && !is_proved {
        return No::OldProof.answer(&headers);
    }
    let outcome = match others.expose() {
        "" => keys.sessions.end(|session| session.id == id.expose()).await,
        _ => keys.end_all_but(Some(&caller.session)).await,
    };
    match outcome {
        Ok(count) => {
            tracing::info!(target: "audit", event = "revoke", by = caller.session, session = id.expose(), count, "sessions were revoked");
            answer::see("/devices")
        }
        Err(error) => {
            tracing::warn!(%error, "ended sessions could not be removed from the database");
            No::Internal.answer(&headers)
        }
    }
}

/// `POST /devices/outside` with `show` for each thing to be shown outside.
pub(crate) async fn outside(State(keys): State<Arc<Keys>>, request: Request<Body>) -> Response<Body> {
    if !api::is_proved_lately(request.extensions()) {
        return No::OldProof.answer(request.headers());
    }
    let headers = request.headers().clone();
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let is_wanted = |capability: &Capability| !form.text(capability.word()).expose().is_empty();
    let words: Vec<String> = Capability::ALL
        .into_iter()
        .filter(is_wanted)
        .map(|capability| format!("{:?}", capability.word()))
        .collect();
    match keys
        .file
        .set("gateway.outside", &format!("[{}]", words.join(", ")))
    {
        Ok(()) => answer::see("/devices"),
        Err(error) => {
            tracing::warn!(%error, "what is shown outside could not be saved");
            No::Internal.answer(&headers)
        }
    }
}

/// `POST /devices/pair`: a code for one more device.
pub(crate) async fn pair(
    State(keys): State<Arc<Keys>>,
    Extension(chrome): Extension<Arc<Chrome>>,
    request: Request<Body>,
) -> Response<Body> {
    if !api::is_proved_lately(request.extensions()) {
        return No::OldProof.answer(request.headers());
    }
    match Door(Arc::clone(&keys)).pairing() {
        Ok(pairing) => answer::page_with(StatusCode::OK, code(&chrome, &pairing)),
        // The page says so in the place of its button.
        Err(_not_reachable) => answer::see("/devices"),
    }
}

/// The code, as large as a camera needs it.
fn code(chrome: &Chrome, pairing: &Pairing) -> Markup {
    let link = pairing.link.expose();
    let minutes = pairing.life.as_secs() / 60;
    let body = web::Body {
        title: "Pair a device".to_owned(),
        live: None,
        class: "devices",
        content: html! {
            h1 { "Pair a device" }
            section.card.pairing {
                p { "Scan this with the camera of your phone, then press " strong { "Pair" } " there." }
                @if let Some(picture) = web::qr::picture(link, "Code that pairs a device") { (picture) }
                p.muted {
                    "It is good for one device and for " (minutes) " minutes. Whoever scans it reaches the chat without the \
                     password: show it to nobody else."
                }
                details {
                    summary { "No camera at hand" }
                    p { "Open this address on the device:" }
                    p.link { code { (link) } }
                }
                p { a href="/devices" { "Back to the devices" } }
            }
        },
    };
    web::page(chrome, body)
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
                        p.help { "Removes all passkeys too." }
                    }
                }
            }
            section.card aria-labelledby="devices-pair" {
                h2 #devices-pair { "Pair a device" }
                @if keys.public_url.borrow().is_some() {
                    p { "A phone that scans a code from here reaches the chat from anywhere, without the password." }
                    form method="post" action="/devices/pair" {
                        button.button type="submit" { "Show a code" }
                    }
                } @else {
                    p.muted {
                        "A phone can be paired while this machine is reachable from outside: switch that on in the tray or \
                         with " code { "nexus tunnel start" } ", or see on the page " a href="/tunnel" { "Remote access" }
                        " what is in its way."
                    }
                }
            }
            section.card aria-labelledby="devices-passkeys" {
                h2 #devices-passkeys { "Passkeys" }
                p {
                    "A device that has one enters from outside with its fingerprint, face or PIN, without password and code. Add \
                     one on the device itself, on its page " strong { "Passkeys" } ". It needs an address that stays, so not a \
                     quick tunnel."
                }
                (passkey::page::list(&keys.passkeys.list(), now, true))
            }
            section.card aria-labelledby="devices-outside" {
                h2 #devices-outside { "Shown from outside" }
                (shown_outside(&keys.settings.get()))
            }
            section.card aria-labelledby="devices-second" {
                h2 #devices-second { "Second factor" }
                (second::page::section(door.second_factor()))
            }
            section.card aria-labelledby="devices-password" {
                h2 #devices-password { "Password" }
                p { "A new password ends all other sessions and removes all passkeys." }
                (password::form(door.has_password(), problem))
            }
            p.muted { a href="/devices/audit" { "What was done: logins, devices, permissions, settings" } }
        },
    };
    web::page(chrome, body)
}

/// What devices from outside see beside the chat, as a form.
fn shown_outside(settings: &GatewaySettings) -> Markup {
    let reach = settings.reach();
    let limits = [
        (settings.device_requests_per_min, "requests a minute"),
        (settings.device_mib_per_h, "MiB an hour"),
    ];
    let limits: Vec<String> = limits
        .iter()
        .filter(|(most, _)| *most > 0)
        .map(|(most, what)| format!("{most} {what}"))
        .collect();
    html! {
        p { "Devices from outside have the chat. What else they may see is switched on here, at the machine." }
        form method="post" action="/devices/outside" {
            @for capability in Capability::ALL {
                @let word = capability.word();
                div.field.switch {
                    input id=(format!("outside-{word}")) name=(word) type="checkbox" value="true" checked[reach.has(capability)]
                        aria-describedby=(format!("outside-{word}-help"));
                    label for=(format!("outside-{word}")) { (kit::text::capital(word)) }
                    p.help id=(format!("outside-{word}-help")) { (capability.about()) }
                }
            }
            button.button type="submit" { "Save" }
        }
        p.muted {
            @if limits.is_empty() { "No device has a limit of its own." }
            @else { "Each device has at most " (limits.join(" and ")) "." }
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
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
            p {
                (session.kind.words()) ", " (place) ", used " (web::time::ago(session.used, now))
                @if session.listener == Listener::Tunnel && session.requests > 0 {
                    ", " (session.requests) " requests and " (megabytes(session.bytes)) " since the program started"
                }
            }
        }
        form method="post" action="/devices/revoke" {
            input type="hidden" name="id" value=(session.id);
            button.button type="submit" aria-label=(format!("End {}", session.device)) { "End" }
        }
    }
}
