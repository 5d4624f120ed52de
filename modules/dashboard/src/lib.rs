//! The page that answers "is everything all right": a sentence, then a card for each part of the program.
//!
//! Everything on it is computed from the [`kit::Overview`] and the last output of each part, as plain values
//! ([`view`]); a page that stays open gets only the cards whose value has changed ([`feed`]). Buttons post to the
//! gateway, which asks the module; the page then changes because the module's status does.
//!
//! The dashboard reads other modules' statuses and never calls them.

mod feed;
mod help;
mod history;
mod page;
mod view;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use axum::{Extension, Router, routing::get};
use kit::{
    BoxFuture, Caller, CancellationToken, Chrome, Context, Feed, Listener, LiveRequest, Module, ModuleId,
    Overview, Page, State, Status, VerbSpec,
};
use tokio::sync::watch;
use web::{Body, LiveView, Markup};

pub use history::{Ended, ReadHistory};
pub use view::{Control, headline};

/// What a part of the program wrote last.
#[derive(Clone)]
pub struct Tails {
    /// The last lines of a module, oldest first; empty where there are none.
    pub read: Arc<dyn Fn(ModuleId) -> Vec<String> + Send + Sync>,
    /// Changes whenever a line was added anywhere.
    pub changed: watch::Receiver<u64>,
}

impl Tails {
    /// No module has any output.
    pub fn none() -> Self {
        Self {
            read: Arc::new(|_| Vec::new()),
            changed: watch::channel(0).1,
        }
    }
}

/// What the dashboard is built from.
pub struct Parts {
    /// What each module can be asked, in the order of the cards.
    pub verbs: Vec<(ModuleId, &'static [VerbSpec])>,
    /// The last output of each module.
    pub tails: Tails,
    /// When the server ended, and why.
    pub history: ReadHistory,
}

/// When each module's figures last changed.
type Ages = Mutex<HashMap<ModuleId, (Status, SystemTime)>>;

/// The dashboard.
pub struct Dashboard {
    overview: watch::Receiver<Arc<Overview>>,
    verbs: Arc<[(ModuleId, &'static [VerbSpec])]>,
    tails: Tails,
    history: ReadHistory,
    ages: Arc<Ages>,
    status: watch::Sender<Status>,
}

impl Dashboard {
    /// Wires the dashboard.
    pub fn new(cx: &Context, parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            overview: cx.overview.clone(),
            verbs: parts.verbs.into(),
            tails: parts.tails,
            history: parts.history,
            ages: Arc::default(),
            status: watch::Sender::new(Status::new(State::Running, SystemTime::now())),
        })
    }

    fn page(&self, chrome: &Chrome) -> Markup {
        let now = SystemTime::now();
        let live = LiveView {
            view: "dashboard",
            key: String::new(),
            cursor: None,
        };
        let body = Body {
            title: "Dashboard".to_owned(),
            live: Some(live),
            class: "dashboard",
            content: page::content(&self.source(&chrome.caller).read(), now),
        };
        web::page(chrome, body)
    }

    fn help_page(chrome: &Chrome) -> Markup {
        let body = Body {
            title: "Help".to_owned(),
            live: None,
            class: "dashboard",
            content: help::content(),
        };
        web::page(chrome, body)
    }

    async fn history_page(&self, chrome: &Chrome) -> Markup {
        let ends = (self.history)().await;
        let body = Body {
            title: "Restarts".to_owned(),
            live: None,
            class: "dashboard",
            content: history::content(&ends, SystemTime::now()),
        };
        web::page(chrome, body)
    }

    fn source(&self, caller: &Caller) -> view::Source {
        view::Source {
            has_controls: caller.listener == Listener::Local,
            overview: self.overview.clone(),
            verbs: Arc::clone(&self.verbs),
            tails: self.tails.clone(),
            ages: Arc::clone(&self.ages),
        }
    }
}

impl Module for Dashboard {
    fn id(&self) -> ModuleId {
        ModuleId("dashboard")
    }

    fn title(&self) -> &'static str {
        "Dashboard"
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    fn pages(&self) -> Vec<Page> {
        vec![Page {
            path: "/dashboard",
            title: "Dashboard",
            icon: "dashboard",
        }]
    }

    fn routes(self: Arc<Self>) -> Router {
        let ends = Arc::clone(&self);
        Router::new()
            .route(
                "/",
                get(move |Extension(chrome): Extension<Arc<Chrome>>| std::future::ready(self.page(&chrome))),
            )
            .route(
                "/help",
                get(|Extension(chrome): Extension<Arc<Chrome>>| std::future::ready(Self::help_page(&chrome))),
            )
            .route(
                "/history",
                get(move |Extension(chrome): Extension<Arc<Chrome>>| {
                    let dashboard = Arc::clone(&ends);
                    async move { dashboard.history_page(&chrome).await }
                }),
            )
    }

    fn live(&self, request: LiveRequest) -> Option<Box<dyn Feed>> {
        Some(Box::new(feed::Cards::new(self.source(&request.caller))))
    }

    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            let mut overview = self.overview.clone();
            overview.mark_changed();
            loop {
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    changed = overview.changed() => if changed.is_err() {
                        // Nobody writes the overview any more: the agent is ending.
                        stop.cancelled().await;
                        return Ok(());
                    },
                }
                let now = SystemTime::now();
                let overview = Arc::clone(&overview.borrow_and_update());
                let mut ages = self.ages.lock().unwrap_or_else(PoisonError::into_inner);
                for module in &overview.modules {
                    let known = ages
                        .get(&module.id)
                        .is_some_and(|(status, _)| *status == module.status);
                    if !known {
                        ages.insert(module.id, (module.status.clone(), now));
                    }
                }
            }
        })
    }
}
