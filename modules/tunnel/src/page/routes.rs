//! Shows the page, keeps it true, and takes what is saved on it.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use axum::{
    Extension, Form, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use kit::{BoxFuture, Caller, Chrome, Feed, Frame, Listener, Origin, Patch, Section, SettingsError, Status};
use tokio::sync::watch;
use web::{Body, LiveView, Markup, form};

use super::{NOW_ID, Value, View, content, current, keys, whole_key};
use crate::{Tunnel, settings::TunnelSettings};

pub(crate) fn routes(module: Arc<Tunnel>) -> Router {
    Router::new().route("/", get(show).post(save)).with_state(module)
}

async fn show(
    State(module): State<Arc<Tunnel>>,
    Extension(caller): Extension<Caller>,
    Extension(chrome): Extension<Arc<Chrome>>,
) -> Response {
    if caller.listener != Listener::Local {
        return StatusCode::NOT_FOUND.into_response();
    }
    document(&chrome, &module.view(None, HashMap::new())).into_response()
}

async fn save(
    State(module): State<Arc<Tunnel>>,
    Extension(caller): Extension<Caller>,
    Extension(chrome): Extension<Arc<Chrome>>,
    Form(posted): Form<HashMap<String, String>>,
) -> Response {
    if caller.listener != Listener::Local {
        return StatusCode::NOT_FOUND.into_response();
    }
    // Where a tunnel leads, and that it starts by itself, is not for a page that was left open.
    if !caller.is_proved_lately() {
        let problem = "You logged in more than ten minutes ago. Log out and in again, or open the page from the tray, and \
                       save once more.";
        let view = module.view(Some(problem.to_owned()), HashMap::new());
        return (StatusCode::FORBIDDEN, document(&chrome, &view)).into_response();
    }
    let drawn_for = posted.get("of_profile").map(String::as_str).unwrap_or_default();
    if drawn_for != module.settings.get().profile {
        let problem = "Another profile has been chosen since this page was drawn. Nothing was saved; these are its settings.";
        let view = module.view(Some(problem.to_owned()), HashMap::new());
        return (StatusCode::CONFLICT, document(&chrome, &view)).into_response();
    }
    let problems = module.save(&posted);
    if problems.is_empty() {
        return Redirect::to("/tunnel").into_response();
    }
    let problem = "Not everything could be saved; what is wrong stands beside it.".to_owned();
    let view = module.view(Some(problem), problems);
    (StatusCode::UNPROCESSABLE_ENTITY, document(&chrome, &view)).into_response()
}

fn document(chrome: &Chrome, view: &View) -> Markup {
    let live = LiveView {
        view: crate::ID,
        key: String::new(),
        cursor: None,
    };
    let body = Body {
        title: "Remote access".to_owned(),
        live: Some(live),
        class: "tunnel",
        content: content(view, SystemTime::now()),
    };
    web::page(chrome, body)
}

/// What was posted under a key, and why it was not taken.
type Problems = HashMap<&'static str, (String, String)>;

impl Tunnel {
    fn view(&self, problem: Option<String>, mut problems: Problems) -> View {
        let settings = self.settings.get();
        let values = keys()
            .map(|key| {
                let (value, problem) = match problems.remove(key) {
                    Some((posted, problem)) => (posted, Some(problem)),
                    None => (Self::in_force(&settings, key), None),
                };
                Value { key, value, problem }
            })
            .collect();
        let port = match *self.origin.borrow() {
            Origin::Open(port) => Some(port),
            Origin::Closed | Origin::Opening | Origin::Refused(_) | Origin::Unopened(_) => None,
        };
        View {
            status: self.status.borrow().clone(),
            port: port.or_else(|| (settings.port > 0).then_some(settings.port)),
            settings,
            values,
            problem,
        }
    }

    /// The value of a line as TOML. A profile that does not name one has the default.
    fn in_force(settings: &TunnelSettings, key: &'static str) -> String {
        let chosen = toml_edit::ser::to_document(&settings.chosen()).ok();
        let item = chosen.as_ref().and_then(|document| document.get(key));
        item.and_then(|item| item.as_value())
            .map(|value| value.clone().decorated("", "").to_string())
            .unwrap_or_default()
    }

    /// Saves what differs from what is in force.
    fn save(&self, posted: &HashMap<String, String>) -> Problems {
        let settings = self.settings.get();
        let mut problems = Problems::new();
        for field in TunnelSettings::FIELDS {
            let (true, Some(text)) = (keys().any(|key| key == field.key), posted.get(field.key)) else {
                continue;
            };
            let value = form::to_toml(field.kind, text);
            if value == Self::in_force(&settings, field.key) {
                continue;
            }
            if let Err(error) = self.file.set(&whole_key(&settings, field.key), &value) {
                let text = match error {
                    SettingsError::BadValue { expectation, .. } => {
                        kit::text::sentence(&kit::text::capital(&expectation))
                    }
                    other @ (SettingsError::UnknownKey(_)
                    | SettingsError::BadSection(_)
                    | SettingsError::Damaged(_)
                    | SettingsError::NotSaved { .. }) => kit::text::sentence(&other.to_string()),
                };
                problems.insert(field.key, (value, text));
            }
        }
        problems
    }
}

/// Keeps the state on the page true.
pub(crate) struct Now {
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) sent: Option<Status>,
}

impl Feed for Now {
    fn next(&mut self) -> BoxFuture<'_, Option<Frame>> {
        Box::pin(async move {
            loop {
                // The first frame repeats the page, which may have changed before its socket was open.
                if self.sent.is_some() {
                    self.status.changed().await.ok()?;
                }
                let status = self.status.borrow_and_update().clone();
                if self.sent.as_ref() != Some(&status) {
                    let html = current(&status, SystemTime::now()).into_string();
                    self.sent = Some(status);
                    return Some(Frame {
                        cursor: None,
                        patches: vec![Patch::Set {
                            id: NOW_ID.to_owned(),
                            html,
                        }],
                    });
                }
            }
        })
    }
}
