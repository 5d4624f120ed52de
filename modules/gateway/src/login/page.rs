//! What the login page shows.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
};
use kit::Listener;
use web::{Markup, html};

use crate::{answer, front::Visit, keys::Keys, passkey, password, path, second::Standing};

/// The page, as it is for one visitor.
pub(super) struct Page {
    /// Where it leads.
    pub(super) next: String,
    /// Whether it asks for a code too. Said to everybody who comes: it is no secret, and not of the password.
    asks_code: bool,
    /// Whether a passkey would be taken here.
    takes_passkey: bool,
}

impl Page {
    pub(super) fn of(keys: &Keys, visit: &Visit, headers: &HeaderMap, next: &str) -> Self {
        let next = if path::is_own_page(next) { next } else { "/" };
        let is_outside = visit.listener == Listener::Tunnel;
        let host = passkey::page::host(keys, visit, headers);
        Self {
            next: next.to_owned(),
            asks_code: is_outside && keys.second.standing() != Standing::Off,
            takes_passkey: host.is_some_and(|host| keys.passkeys.has_for(host)),
        }
    }

    pub(super) fn wrong(&self) -> Response<Body> {
        let problem = if self.asks_code {
            "The password or the code is wrong."
        } else {
            "That is not the password."
        };
        answer::page_with(StatusCode::UNAUTHORIZED, self.draw(Some(problem)))
    }

    pub(super) fn later(&self, seconds: u64) -> Response<Body> {
        let minutes = seconds.div_ceil(60);
        let text = match minutes {
            0 | 1 => "Too many attempts. Wait a minute, then try again.".to_owned(),
            _ => {
                format!(
                    "Too many wrong passwords. Wait {minutes} minutes, or run `nexus open` at the machine."
                )
            }
        };
        let mut response = answer::page_with(StatusCode::TOO_MANY_REQUESTS, self.draw(Some(&text)));
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        response
    }

    pub(super) fn draw(&self, problem: Option<&str>) -> Markup {
        self.draw_both(problem, None)
    }

    /// Of a passkey that did not enter.
    pub(super) fn draw_unproved(&self, problem: &str) -> Markup {
        self.draw_both(None, Some(problem))
    }

    fn draw_both(&self, problem: Option<&str>, of_passkey: Option<&str>) -> Markup {
        web::bare(
            "Log in",
            html! {
                h1 { "Log in" }
                (web::form::error("passkey", of_passkey))
                form method="post" action="/login" {
                    (password::account())
                    (web::form::line(&web::form::Line {
                        name: "password",
                        label: "Password",
                        help: "",
                        value: "",
                        error: problem,
                        input: web::form::Input::Password("current-password"),
                    }))
                    @if self.asks_code {
                        (web::form::line(&web::form::Line {
                            name: "code",
                            label: "Code",
                            help: "From your authenticator app, or a recovery code.",
                            value: "",
                            error: None,
                            input: web::form::Input::Code,
                        }))
                    }
                    input type="hidden" name="next" value=(self.next);
                    button.button.primary type="submit" { "Log in" }
                }
                @if self.takes_passkey {
                    form method="post" action="/login/passkey/enter" data-passkey="/login/passkey" hidden {
                        p.or { "or" }
                        input type="hidden" name="credential";
                        input type="hidden" name="next" value=(self.next);
                        button.button type="submit" { (web::icon("key")) span { "Log in with a passkey" } }
                    }
                }
                p.help { "At the machine itself, " code { "nexus open" } " enters without a password." }
            },
        )
    }
}
