//! The second factor on the page of the devices: set up, recovery codes, off.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{Request, Response, StatusCode},
};
use kit::{Chrome, Secret};
use tokio::time::Instant;
use web::{Markup, html};

use super::{Offer, SecondFactorError, Standing};
use crate::{
    answer::{self, No},
    api,
    door::Door,
    form::Form,
    keys::Keys,
};

/// Its part of the page of the devices.
pub(crate) fn section(standing: Standing) -> Markup {
    let button = |action: &str, label: &str| {
        html! {
            form method="post" action=(format!("/devices/second-factor{action}")) {
                button.button type="submit" { (label) }
            }
        }
    };
    html! {
        @match standing {
            Standing::Off => {
                p {
                    "Logging in from outside can ask for a code of an authenticator app beside the password. Devices that are \
                     paired or logged in already are not asked."
                }
                (button("", "Set up"))
            }
            Standing::On { recovery_left } => {
                p {
                    "On: logging in from outside asks for a code of your authenticator app beside the password. "
                    (recovery_left) " recovery codes are left."
                }
                (button("/codes", "New recovery codes"))
                // Two presses: one lies next to what is pressed more often.
                details.surely {
                    summary.button { "Switch off" }
                    p { "The password alone is enough then to log in from outside." }
                    (button("/off", "Switch it off"))
                }
            }
            Standing::Broken => {
                p {
                    "Nobody can log in from outside: what is kept of the second factor cannot be read. Switch it off, then \
                     set it up again."
                }
                (button("/off", "Switch off"))
            }
        }
    }
}

/// `POST /devices/second-factor`: a secret for an app.
pub(crate) async fn offer(
    State(keys): State<Arc<Keys>>,
    Extension(chrome): Extension<Arc<Chrome>>,
    request: Request<Body>,
) -> Response<Body> {
    if let Some(refusal) = unproved(&request) {
        return refusal;
    }
    match Door(keys).offer_second_factor().await {
        Ok(offer) => answer::page_with(StatusCode::OK, set_up(&chrome, &offer, None)),
        Err(error) => answer::page_with(StatusCode::CONFLICT, failed(&chrome, &error)),
    }
}

/// `POST /devices/second-factor/confirm` with `code`.
pub(crate) async fn confirm(
    State(keys): State<Arc<Keys>>,
    Extension(chrome): Extension<Arc<Chrome>>,
    request: Request<Body>,
) -> Response<Body> {
    if let Some(refusal) = unproved(&request) {
        return refusal;
    }
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let door = Door(Arc::clone(&keys));
    let error = match door.confirm_second_factor(&form.text("code")).await {
        Ok(codes) => return answer::page_with(StatusCode::OK, codes_page(&chrome, &codes)),
        Err(error) => error,
    };
    match (&error, keys.second.offered(Instant::now())) {
        (SecondFactorError::WrongCode, Some(offer)) => answer::page_with(
            StatusCode::UNPROCESSABLE_ENTITY,
            set_up(&chrome, &offer, Some(&kit::text::sentence(&error.to_string()))),
        ),
        _ => answer::page_with(StatusCode::CONFLICT, failed(&chrome, &error)),
    }
}

/// `POST /devices/second-factor/codes`: new recovery codes.
pub(crate) async fn renew(
    State(keys): State<Arc<Keys>>,
    Extension(chrome): Extension<Arc<Chrome>>,
    request: Request<Body>,
) -> Response<Body> {
    if let Some(refusal) = unproved(&request) {
        return refusal;
    }
    match Door(keys).new_recovery_codes().await {
        Ok(codes) => answer::page_with(StatusCode::OK, codes_page(&chrome, &codes)),
        Err(error) => answer::page_with(StatusCode::CONFLICT, failed(&chrome, &error)),
    }
}

/// `POST /devices/second-factor/off`.
pub(crate) async fn switch_off(
    State(keys): State<Arc<Keys>>,
    Extension(chrome): Extension<Arc<Chrome>>,
    request: Request<Body>,
) -> Response<Body> {
    if let Some(refusal) = unproved(&request) {
        return refusal;
    }
    match Door(keys).switch_second_factor_off().await {
        Ok(()) => answer::see("/devices"),
        Err(error) => answer::page_with(StatusCode::CONFLICT, failed(&chrome, &error)),
    }
}

/// A page that was left open on a desk must change nothing here.
fn unproved(request: &Request<Body>) -> Option<Response<Body>> {
    let is_proved = api::is_proved_lately(request.extensions());
    (!is_proved).then(|| No::OldProof.answer(request.headers()))
}

fn set_up(chrome: &Chrome, offer: &Offer, problem: Option<&str>) -> Markup {
    page(
        chrome,
        "Set up the second factor",
        html! {
            section.card.pairing {
                ol {
                    li { "Scan this with an authenticator app." }
                    li { "Type the code that the app shows for this machine." }
                }
                @if let Some(picture) = web::qr::picture(offer.link.expose(), "Secret for an authenticator app") {
                    (picture)
                }
                details {
                    summary { "No camera at hand" }
                    p { "Type this secret into the app:" }
                    p.link { code { (grouped(offer.text.expose())) } }
                }
                form method="post" action="/devices/second-factor/confirm" {
                    (web::form::line(&web::form::Line {
                        name: "code",
                        label: "Code",
                        help: "Six digits.",
                        value: "",
                        error: problem,
                        input: web::form::Input::Code,
                    }))
                    button.button.primary type="submit" { "Switch on" }
                }
                p.muted { "The app may be on any device; it needs no network. The secret is shown only now." }
                p { a href="/devices" { "Back to the devices" } }
            }
        },
    )
}

fn codes_page(chrome: &Chrome, codes: &[Secret]) -> Markup {
    page(
        chrome,
        "Recovery codes",
        html! {
            section.card.pairing {
                p { "The second factor is on. These codes replace the app if it is lost; each works once." }
                ul.recovery { @for code in codes { li { code { (code.expose()) } } } }
                p.muted { "Print them, or keep them with your passwords: they are shown only now. Former ones are void." }
                p { a.button href="/devices" { "I have kept them" } }
            }
        },
    )
}

fn failed(chrome: &Chrome, error: &SecondFactorError) -> Markup {
    page(
        chrome,
        "The second factor has not changed",
        html! {
            section.card {
                p { (kit::text::sentence(&error.to_string())) }
                p { a.button href="/devices" { "Back to the devices" } }
            }
        },
    )
}

fn page(chrome: &Chrome, title: &str, content: Markup) -> Markup {
    let body = web::Body {
        title: title.to_owned(),
        live: None,
        class: "devices",
        content: html! { h1 { (title) } (content) },
    };
    web::page(chrome, body)
}

/// In fours, as people read and type them.
fn grouped(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let groups = letters.chunks(4).map(String::from_iter);
    groups.collect::<Vec<_>>().join(" ")
}
