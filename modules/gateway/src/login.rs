//! The login page, and what a right password leads to.

mod check;
mod page;
pub(crate) mod passkey;

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Request, Response, StatusCode},
};
use kit::{Listener, Notice, NoticeKind};

use crate::{
    answer::{self, No},
    begin::{self, NotBegun},
    device,
    form::{self, Form},
    front::Visit,
    keys::{Keys, Proof},
    session::{Kind, Session},
};
pub(crate) use check::{Verdict, check};
use page::Page;

/// After this many seconds a login that found the hashing busy may be tried again.
pub(crate) const BUSY_RETRY_S: u64 = 5;

/// `GET /login?next=/chat`.
pub(crate) async fn show(
    State(keys): State<Arc<Keys>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    let next = form::queried(request.uri(), "next");
    let page = Page::of(&keys, &visit, request.headers(), next.expose());
    answer::page_with(StatusCode::OK, page.draw(None))
}

/// `POST /login` with `password`, `code` where one is asked for, and `next`.
pub(crate) async fn submit(
    State(keys): State<Arc<Keys>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    let headers = request.headers().clone();
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let next = form.text("next").expose().to_owned();
    let page = Page::of(&keys, &visit, &headers, &next);
    match check(&keys, &visit, form.text("password"), &form.text("code")).await {
        Verdict::Right(proof) => enter(&keys, &visit, &headers, &page, proof).await,
        Verdict::Wrong => page.wrong(),
        Verdict::Later(seconds) => page.later(seconds),
        Verdict::Off => answer::page_with(StatusCode::TOO_MANY_REQUESTS, page.draw(Some(OFF))),
        Verdict::NoCodes => answer::page_with(StatusCode::SERVICE_UNAVAILABLE, page.draw(Some(NO_CODES))),
        Verdict::Failed => No::Internal.answer(&headers),
    }
}

/// While the second factor is on and its secret cannot be read.
const NO_CODES: &str = "The machine cannot check codes now, so no password is taken from outside. Passkeys enter still, and \
                        devices that are logged in stay so. At the machine, `nexus doctor` says what is wrong.";

/// After too many wrong passwords from outside.
const OFF: &str = "No password is taken from outside any more, because a hundred in a row were wrong. At the machine, \
                   `nexus devices unlock` allows it again. Passkeys enter still, and devices that are logged in stay so.";

async fn enter(
    keys: &Arc<Keys>,
    visit: &Visit,
    headers: &HeaderMap,
    page: &Page,
    proof: Proof,
) -> Response<Body> {
    if !keys.holds(proof) {
        return page.wrong();
    }
    begin::end_former(keys, visit, headers).await;
    let (kind, device) = (Kind::Login, device::name(headers));
    match begin::begin(keys, visit, kind, &device, &page.next, || keys.holds(proof)).await {
        Ok((session, response)) => {
            if visit.listener == Listener::Tunnel {
                tell(keys, &session, visit.address);
            }
            response
        }
        Err(NotBegun::Void) => page.wrong(),
        Err(NotBegun::Failed) => No::Internal.answer(headers),
    }
}

fn tell(keys: &Keys, session: &Session, source: IpAddr) {
    keys.notices.send(Notice {
        kind: NoticeKind::Login,
        key: format!("login-{}", session.id),
        title: "Somebody logged in from outside".to_owned(),
        body: format!(
            "{} at {source}. If this was not you, end the session on the page of the devices.",
            session.device
        ),
        page: "/devices".to_owned(),
        answers: Vec::new(),
        away: None,
    });
}

#[cfg(test)]
mod tests;
