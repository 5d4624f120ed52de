//! `POST /password`: the first password, or a new one.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{Request, Response, StatusCode, header},
};
use kit::{Caller, Chrome, Secret};
use web::html;

use crate::{
    answer::{self, No},
    credential::SetError,
    devices,
    door::Door,
    form::Form,
    front::Visit,
    keys::{Keys, NotSet, Provided},
    login::{self, Verdict},
};

/// With `password`, `repeat`, and `current` where one is set. Answers with the page of the devices.
pub(crate) async fn submit(
    State(keys): State<Arc<Keys>>,
    Extension(caller): Extension<Caller>,
    Extension(chrome): Extension<Arc<Chrome>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    let headers = request.headers().clone();
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let (password, repeat) = (form.text("password"), form.text("repeat"));
    let refused = |status: StatusCode, problem: &str| {
        answer::page_with(status, devices::page(&keys, &chrome, Some(problem)))
    };
    let door = Door(Arc::clone(&keys));
    // None is asked for at the machine, and no other listener leads here.
    let no_code = Secret::new(String::new());
    let provided = if door.has_password() {
        match login::check(&keys, &visit, form.text("current"), &no_code).await {
            Verdict::Right(proof) => Provided::Proved(proof),
            Verdict::Wrong => return refused(StatusCode::FORBIDDEN, "The current password is wrong."),
            Verdict::Failed => return No::Internal.answer(&headers),
            // Said of the tunnel's listener only, which does not lead here.
            Verdict::Off | Verdict::NoCodes => return No::NotHere.answer(&headers),
            Verdict::Later(seconds) => {
                return later(refused, seconds, "Too many wrong passwords. Try again later.");
            }
        }
    } else if door.may_set_first_password(&caller) {
        Provided::Absent
    } else {
        return No::NotHere.answer(&headers);
    };
    if password != repeat {
        return refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The two passwords are not the same.",
        );
    }
    match keys.set_password(provided, password, Some(&caller.session)).await {
        Ok(()) => answer::see("/devices"),
        Err(NotSet::SetAlready) => refused(StatusCode::CONFLICT, "A password was set in the meantime."),
        Err(NotSet::Busy(_)) => later(
            refused,
            login::BUSY_RETRY_S,
            "Too many passwords are being set. Try again in a moment.",
        ),
        Err(NotSet::Overtaken) => refused(StatusCode::FORBIDDEN, "The current password is wrong."),
        Err(NotSet::Refused(SetError::Weak(weak))) => {
            refused(StatusCode::UNPROCESSABLE_ENTITY, &weak.to_string())
        }
        Err(error @ NotSet::Refused(SetError::NotSaved { .. })) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the password was not set"
            );
            No::Internal.answer(&headers)
        }
    }
}

fn later(
    refused: impl Fn(StatusCode, &str) -> Response<Body>,
    seconds: u64,
    problem: &str,
) -> Response<Body> {
    let mut response = refused(StatusCode::TOO_MANY_REQUESTS, problem);
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}

/// A name for password managers, which keep none without one. There is one account and nobody types its name.
pub(crate) fn account() -> web::Markup {
    html! { input type="text" name="username" value="owner" autocomplete="username" readonly hidden; }
}

/// The form for it.
pub(crate) fn form(has_password: bool, problem: Option<&str>) -> web::Markup {
    let line = |name: &'static str, label: &'static str, kind: &'static str, problem: Option<&str>| {
        web::form::line(&web::form::Line {
            name,
            label,
            help: if name == "password" {
                "At least 15 characters. A sentence works well."
            } else {
                ""
            },
            value: "",
            error: problem,
            input: web::form::Input::Password(kind),
        })
    };
    html! {
        form method="post" action="/password" {
            (account())
            @if has_password { (line("current", "Current password", "current-password", None)) }
            (line("password", "New password", "new-password", problem))
            (line("repeat", "The new one again", "new-password", None))
            button.button type="submit" { @if has_password { "Change password" } @else { "Set password" } }
        }
    }
}
