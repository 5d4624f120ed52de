//! The first page a person sees: what has to be decided before the agent is of use.
//!
//! One page, one form, three questions: how others are kept out (a password, offered as a passphrase), what opencode
//! must ask permission for, and which folders hold the projects; above them, whether opencode was found and what to
//! do if not. Every answer has a sensible default and can be changed later. What is asked is derived from what is
//! already there, so the page can be opened again at any time.
//!
//! The page is for the machine itself: through the tunnel it does not exist. It stores nothing of its own; passwords
//! go to whoever keeps them ([`Passwords`]), choices to the settings file.

mod answers;
mod page;

use std::{sync::Arc, time::SystemTime};

use axum::{
    Extension, Form, Router,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use kit::{
    BoxFuture, Caller, CancellationToken, Chrome, Context, Listener, Module, ModuleId, Secret, SettingsFile,
    State, Status,
};
use tokio::sync::watch;
use web::Body;

pub use page::Found;

use crate::{answers::Answers, page::View};

/// Who keeps the owner's password.
pub trait Passwords: Send + Sync {
    /// Whether one is set.
    fn is_set(&self) -> bool;
    /// A fresh passphrase worth using, e.g. `"amber-river-…"`.
    fn suggest(&self) -> String;
    /// Sets the first password. The error is a sentence for the person.
    fn set<'a>(&'a self, caller: &'a Caller, password: Secret) -> BoxFuture<'a, Result<(), String>>;
}

/// Looks for opencode; called each time the page is shown.
pub type FindOpencode = Arc<dyn Fn() -> BoxFuture<'static, Found> + Send + Sync>;

/// The first-run page.
pub struct Onboarding {
    settings: Arc<SettingsFile>,
    passwords: Arc<dyn Passwords>,
    find: FindOpencode,
    status: watch::Sender<Status>,
}

impl Onboarding {
    /// Wires the page.
    pub fn new(cx: &Context, passwords: Arc<dyn Passwords>, find: FindOpencode) -> Arc<Self> {
        let status = watch::Sender::new(Status::new(State::Running, SystemTime::now()));
        Arc::new(Self {
            settings: Arc::clone(&cx.settings),
            passwords,
            find,
            status,
        })
    }

    async fn view(&self, answers: Answers, problems: answers::Problems) -> View {
        View {
            opencode: (self.find)().await,
            passphrase: (!self.passwords.is_set()).then(|| {
                // The phrase the person has read stays the one on the page while they mend another field.
                if answers.passphrase.is_empty() {
                    self.passwords.suggest()
                } else {
                    answers.passphrase.clone()
                }
            }),
            answers,
            problems,
        }
    }
}

impl Module for Onboarding {
    fn id(&self) -> ModuleId {
        ModuleId("onboarding")
    }

    fn title(&self) -> &'static str {
        "Set-up"
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    fn routes(self: Arc<Self>) -> Router {
        let (shown, sent) = (Arc::clone(&self), self);
        Router::new().route(
            "/",
            get(move |caller: Extension<Caller>, chrome: Extension<Arc<Chrome>>| show(shown, caller, chrome))
                .post(
                    move |caller: Extension<Caller>, chrome: Extension<Arc<Chrome>>, form: Form<Answers>| {
                        save(sent, caller, chrome, form)
                    },
                ),
        )
    }

    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            stop.cancelled().await;
            Ok(())
        })
    }
}

async fn show(
    onboarding: Arc<Onboarding>,
    Extension(caller): Extension<Caller>,
    Extension(chrome): Extension<Arc<Chrome>>,
) -> Response {
    if caller.listener != Listener::Local {
        return StatusCode::NOT_FOUND.into_response();
    }
    let answers = Answers::from_settings(&onboarding.settings);
    let view = onboarding.view(answers, answers::Problems::default()).await;
    document(&chrome, &view).into_response()
}

async fn save(
    onboarding: Arc<Onboarding>,
    Extension(caller): Extension<Caller>,
    Extension(chrome): Extension<Arc<Chrome>>,
    Form(answers): Form<Answers>,
) -> Response {
    if caller.listener != Listener::Local {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut problems = answers.check(onboarding.passwords.is_set());
    if problems.is_empty()
        && let Some(password) = answers.password().filter(|_| !onboarding.passwords.is_set())
    {
        problems.password = onboarding.passwords.set(&caller, password).await.err();
    }
    if problems.is_empty() {
        problems = answers.store(&onboarding.settings);
    }
    if problems.is_empty() {
        tracing::info!("the first-run page was answered");
        return Redirect::to("/chat").into_response();
    }
    let view = onboarding.view(answers, problems).await;
    (StatusCode::UNPROCESSABLE_ENTITY, document(&chrome, &view)).into_response()
}

fn document(chrome: &Chrome, view: &View) -> web::Markup {
    let body = Body {
        title: "Set up".to_owned(),
        live: None,
        class: "onboarding",
        content: page::content(view),
    };
    web::page(chrome, body)
}
