//! What the login page shows.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use kit::Listener;
use web::{Markup, html};

use crate::{answer, front::Visit, keys::Keys, password, path, second::Standing};

/// The page, as it is for one visitor.
pub(super) struct Page {
    /// Where it leads.
    pub(super) next: String,
    /// Whether it asks for a code too. Said to everybody who comes: it is no secret, and not of the password.
    asks_code: bool,
}

impl Page {
    pub(super) fn of(keys: &Keys, visit: &Visit, next: &str) -> Self {
        let next = if path::is_own_page(next) { next } else { "/" };
        Self {
            next: next.to_owned(),
            asks_code: visit.listener == Listener::Tunnel && keys.second.standing() != Standing::Off,
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
        web::bare(
            "Log in",
            html! {
                h1 { "Log in" }
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
                p.help { "At the machine itself, " code { "nexus open" } " enters without a password." }
            },
        )
    }
}
