//! Logging in with a passkey, from outside: what a browser is asked, and where its answer leads.

use std::{net::IpAddr, sync::Arc};

use kit::{Notice, NoticeKind};

use super::page::Page;
use crate::{
    answer::{self, No},
    begin::{self, NotBegun},
    device,
    form::Form,
    front::Visit,
    keys::Keys,
    passkey::{
        Passkey,
        page::{FORM_BYTES_MAX, host},
    },
    session::{Kind, Session},
    throttle::Source,
};
use axum::{
    body::Body,
    extract::State,
    http::{Request, Response, StatusCode},
};

/// `POST /login/passkey`: what the browser has to prove, as JSON.
pub(crate) async fn ask(
    State(keys): State<Arc<Keys>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    let host = host(&keys, &visit, request.headers());
    let source = Source::new(visit.listener, visit.address);
    match host.and_then(|host| keys.passkeys.ask(host, source)) {
        Some(asked) => answer::typed(StatusCode::OK, "application/json", asked),
        None => No::NotFound.json(),
    }
}

/// `POST /login/passkey/enter` with `credential`, what the browser made of it, and `next`.
///
/// Nothing is counted here: a key cannot be guessed, and checking one costs less than a page. So a passkey enters also
/// while passwords are not taken.
pub(crate) async fn enter(
    State(keys): State<Arc<Keys>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    let headers = request.headers().clone();
    let Some(host) = host(&keys, &visit, &headers) else {
        return No::NotFound.answer(&headers);
    };
    let form = match Form::read_most(request, FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let page = Page::of(&keys, &visit, &headers, form.text("next").expose());
    let proved = keys.passkeys.proved(host, form.text("credential").expose()).await;
    let (source, result) = (visit.address, if proved.is_ok() { "right" } else { "wrong" });
    tracing::info!(target: "audit", event = "passkey", listener = visit.listener.as_str(), %source, result, "a passkey was presented");
    let passkey = match proved {
        Ok(passkey) => passkey,
        Err(error) => {
            tracing::debug!(%error, "a passkey leads nowhere");
            return refused(&page);
        }
    };
    begin::end_former(&keys, &visit, &headers).await;
    let still_holds = || keys.passkeys.has(&passkey.id);
    let device = device::name(&headers);
    match begin::begin(&keys, &visit, Kind::Passkey, &device, &page.next, still_holds).await {
        Ok((session, response)) => {
            told(&keys, &session, &passkey, visit.address);
            response
        }
        Err(NotBegun::Void) => refused(&page),
        Err(NotBegun::Failed) => No::Internal.answer(&headers),
    }
}

fn told(keys: &Keys, session: &Session, passkey: &Passkey, source: IpAddr) {
    keys.notices.send(Notice {
        kind: NoticeKind::Login,
        key: format!("login-{}", session.id),
        title: "Somebody logged in from outside".to_owned(),
        body: format!(
            "{} at {source}, with the passkey {}. If this was not you, remove that passkey on the page of the devices: the \
             sessions of passkeys end with it.",
            session.device, passkey.name
        ),
        page: "/devices".to_owned(),
        answers: Vec::new(),
        away: None,
    });
}

fn refused(page: &Page) -> Response<Body> {
    let problem = "That passkey is not known here any more, or it took too long. Try again, or log in with the password.";
    answer::page_with(StatusCode::UNAUTHORIZED, page.draw_unproved(problem))
}
