//! The first page a person sees: what has to be decided before the agent is of use.
//!
//! One page, one form, four questions: how others are kept out (a password, offered as a passphrase), what opencode
//! must ask permission for, which folders hold the projects, and whether the program starts at login; above them,
//! whether opencode was found and what to do if not. Every answer has a sensible default and can be changed later. What is asked is derived from what is
//! already there, so the page can be opened again at any time.
//!
//! The page is for the machine itself: through the tunnel it does not exist. It stores nothing of its own; passwords
//! go to whoever keeps them ([`Passwords`]), launch at login is switched by whoever can ([`AtLogin`]), and choices go to
//! the settings file.

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

/// Whether the program starts at login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// It does, in the background.
    Starts,
    /// It waits to be started.
    Waits,
}

/// Who starts the program at login.
pub trait AtLogin: Send + Sync {
    /// What happens at login as things are.
    fn now(&self) -> BoxFuture<'_, Login>;
    /// Makes it so. The error is a sentence for the person.
    fn make(&self, wish: Login) -> BoxFuture<'_, Result<(), String>>;
}

/// Looks for opencode; called each time the page is shown.
pub type FindOpencode = Arc<dyn Fn() -> BoxFuture<'static, Found> + Send + Sync>;

/// What the first-run page stands on.
pub struct Parts {
    /// Who keeps the owner's password.
    pub passwords: Arc<dyn Passwords>,
    /// Looks for opencode.
    pub find: FindOpencode,
    /// The switch for launch at login; `None` where there is none, and then it is not asked for.
    pub at_login: Option<Arc<dyn AtLogin>>,
}

/// The first-run page.
pub struct Onboarding {
    settings: Arc<SettingsFile>,
    parts: Parts,
    status: watch::Sender<Status>,
}

impl Onboarding {
    /// Wires the page.
    pub fn new(cx: &Context, parts: Parts) -> Arc<Self> {
        let status = watch::Sender::new(Status::new(State::Running, SystemTime::now()));
        Arc::new(Self {
            settings: Arc::clone(&cx.settings),
            parts,
            status,
        })
    }

    async fn view(&self, answers: Answers, problems: answers::Problems) -> View {
        View {
            opencode: (self.parts.find)().await,
            offers_login: self.parts.at_login.is_some(),
            passphrase: (!self.parts.passwords.is_set()).then(|| {
                // The phrase the person has read stays the one on the page while they mend another field.
                if answers.passphrase.is_empty() {
                    self.parts.passwords.suggest()
                } else {
                    answers.passphrase.clone()
                }
            }),
            answers,
            problems,
        }
    }

    /// Switches launch at login, if that is asked for and not so yet.
    async fn make_login(&self, wish: Login) -> Option<String> {
        let at_login = self.parts.at_login.as_ref()?;
        if at_login.now().await == wish {
            return None;
        }
        at_login.make(wish).await.err()
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
    let mut answers = Answers::from_settings(&onboarding.settings);
    if let Some(at_login) = &onboarding.parts.at_login {
        answers.set_login(at_login.now().await);
    }
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
    let mut problems = answers.check(onboarding.parts.passwords.is_set());
    if problems.is_empty()
        && let Some(password) = answers
            .password()
            .filter(|_| !onboarding.parts.passwords.is_set())
    {
        problems.password = onboarding.parts.passwords.set(&caller, password).await.err();
    }
    if problems.is_empty() {
        problems = answers.store(&onboarding.settings);
        problems.at_login = onboarding.make_login(answers.login()).await;
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
