//! What the user should hear of, and how loudly.
//!
//! Every module hands over [`kit::Notice`]s. Each is in the log already; here it goes into a list that survives
//! restarts, and, if it may, to the desktop as a bubble. Whether it may is decided by [`judge`], purely, from the
//! settings, the time of day and what was shown lately: one outage is one bubble that is replaced, a loop of crashes
//! does not become a rain of them, and nobody is called at night.
//!
//! What makes a bubble is told to devices away from the machine too, if it may leave it; see [`push`].
//!
//! This crate knows no desktop. What is to be shown leaves through a channel; without anybody at its other end nothing
//! is lost but the bubble.

mod feed;
mod judge;
mod list;
mod page;
mod push;
mod push_page;
mod routes;
mod settings;

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime},
};

use axum::Router;
use kit::{
    ActError, Action, BoxFuture, CancellationToken, Context, Entry, Fact, Feed, LiveRequest, Module,
    ModuleId, Notice, Offer, Page, Reply, Setting, SettingsFile, Status, Told, Verb, VerbSpec,
};
use store::Store;
use tokio::{
    sync::{mpsc, watch},
    time::sleep_until,
};

pub use push::{Away, Call, Link, SeenOutside, Sessions};
pub use settings::NoticesSettings;

use judge::{Judge, Moment};
use list::List;
use push::Push;

/// The module's id.
pub const ID: ModuleId = ModuleId("notices");

/// Bubbles that wait for the desktop; more are dropped, they are in the list.
const SHOWS_MAX: usize = 32;

/// What can be asked of the module.
pub const VERBS: &[VerbSpec] = &[
    VerbSpec {
        name: "list",
        help: "Lists what you were told, newest first.",
        args: &[],
        button: None,
    },
    VerbSpec {
        name: "read",
        help: "Marks everything as read.",
        args: &[],
        button: None,
    },
    VerbSpec {
        name: "pause",
        help: "Shows no bubbles until resumed; the list goes on.",
        args: &[],
        button: None,
    },
    VerbSpec {
        name: "resume",
        help: "Shows bubbles again.",
        args: &[],
        button: None,
    },
];

const PAUSE: Offer = Offer {
    verb: "pause",
    label: "Pause bubbles",
};
const RESUME: Offer = Offer {
    verb: "resume",
    label: "Show bubbles again",
};

/// What the desktop is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Show {
    /// Show this, in place of what was shown under the same key.
    Bubble(Notice),
    /// Take away what was shown under this key.
    Remove(String),
}

/// The module.
pub struct Notices {
    settings: Setting<NoticesSettings>,
    file: Arc<SettingsFile>,
    list: List,
    told: tokio::sync::Mutex<mpsc::Receiver<Told>>,
    shows: mpsc::Sender<Show>,
    judge: Mutex<Judge>,
    push: Push,
    status: watch::Sender<Status>,
}

impl Notices {
    /// Wires the module between those who tell and the desktop, whose end of the channel is returned.
    ///
    /// # Errors
    /// The database's.
    pub fn new(
        cx: &Context,
        store: Store,
        told: mpsc::Receiver<Told>,
        away: Away,
    ) -> anyhow::Result<(Arc<Self>, mpsc::Receiver<Show>)> {
        let (shows, shown) = mpsc::channel(SHOWS_MAX);
        let module = Arc::new(Self {
            settings: cx.settings.section(),
            file: Arc::clone(&cx.settings),
            list: List::new(store.clone())?,
            push: Push::new(store, Arc::clone(&cx.secrets), away)?,
            told: tokio::sync::Mutex::new(told),
            shows,
            judge: Mutex::default(),
            status: watch::Sender::new(Status::new(kit::State::Running, SystemTime::now())),
        });
        Ok((module, shown))
    }

    async fn take(&self, told: Told) {
        let written = match &told {
            Told::Notice(notice) => self.list.add(notice, SystemTime::now()).await,
            Told::Settled(key) => self.list.settle(key).await,
        };
        if let Err(error) = written {
            tracing::warn!(%error, "the list of notices could not be written");
        }
        match told {
            Told::Notice(notice) => {
                // Whether it is heard or not: what was told before under its key is no longer so.
                self.push.settle(&notice.key);
                if let Some(notice) = self.judged(|judge, moment| judge.take(notice, moment)) {
                    self.tell_all(notice);
                }
            }
            Told::Settled(key) => {
                self.judged(|judge, _| judge.settle(&key));
                self.push.settle(&key);
                self.show(Show::Remove(key));
            }
        }
        self.tell().await;
    }

    fn judged<T>(&self, decide: impl FnOnce(&mut Judge, &Moment<'_>) -> T) -> T {
        let settings = self.settings.get();
        let moment = Moment {
            now: Instant::now(),
            minute: settings::minute_of(&jiff::Zoned::now()),
            settings: &settings,
        };
        decide(
            &mut self.judge.lock().unwrap_or_else(PoisonError::into_inner),
            &moment,
        )
    }

    /// Tells what is to be heard: at the machine, and on devices away from it.
    fn tell_all(&self, notice: Notice) {
        let settings = self.settings.get();
        let may_go = |away: &kit::Away| match away.audience {
            kit::Audience::Here => true,
            kit::Audience::Moved => settings.away_address,
        };
        if notice.away.as_ref().is_some_and(may_go) {
            self.push.offer(&notice, settings.away_details);
        }
        self.show(Show::Bubble(notice));
    }

    fn show(&self, show: Show) {
        if let Err(error) = self.shows.try_send(show) {
            tracing::debug!(%error, "a notice made no bubble");
        }
    }

    fn due(&self) -> Option<tokio::time::Instant> {
        let judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        judge.due().map(tokio::time::Instant::from_std)
    }

    async fn tell(&self) {
        let unread = match self.list.unread().await {
            Ok(unread) => unread,
            Err(error) => {
                tracing::warn!(%error, "the list of notices could not be read");
                return;
            }
        };
        let is_paused = self.settings.get().paused;
        self.status.send_if_modified(|status| {
            let facts = vec![
                Fact("Unread", unread.to_string()),
                Fact("Bubbles", if is_paused { "paused" } else { "shown" }.to_owned()),
            ];
            let is_new = status.facts != facts;
            status.facts = facts;
            status.offers = vec![if is_paused { RESUME } else { PAUSE }];
            status.details = [
                ("unread".to_owned(), unread.into()),
                ("paused".to_owned(), is_paused.into()),
            ]
            .into_iter()
            .collect();
            is_new
        });
    }

    async fn ask(&self, verb: Verb) -> Result<Reply, ActError> {
        let failed =
            |error: store::StoreError| ActError::Failed(format!("The list of notices failed: {error}."));
        match verb.name.as_str() {
            "list" => {
                let rows = self.list.newest().await.map_err(failed)?;
                Ok(Reply::Json(rows.iter().map(list::Row::to_json).collect()))
            }
            "read" => {
                self.list.read_all(SystemTime::now()).await.map_err(failed)?;
                self.tell().await;
                Ok(Reply::Done)
            }
            "pause" => self.set_paused(true).await,
            "resume" => self.set_paused(false).await,
            _ => Err(ActError::unknown_verb(&verb)),
        }
    }

    async fn set_paused(&self, is_paused: bool) -> Result<Reply, ActError> {
        let file = Arc::clone(&self.file);
        let text = is_paused.to_string();
        let set = tokio::task::spawn_blocking(move || file.set("notices.paused", &text)).await;
        match set {
            Ok(Ok(())) => Ok(Reply::Done),
            Ok(Err(error)) => Err(ActError::Failed(format!("{error}."))),
            Err(error) => Err(ActError::Failed(format!(
                "The setting could not be saved: {error}."
            ))),
        }
    }
}

impl Module for Notices {
    fn id(&self) -> ModuleId {
        ID
    }

    fn title(&self) -> &'static str {
        "Notices"
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    fn menu(&self, status: &Status) -> Vec<Entry> {
        let is_paused = status
            .details
            .get("paused")
            .and_then(serde_json::Value::as_bool)
            .unwrap_or_default();
        vec![Entry::Check {
            text: "Pause notifications".to_owned(),
            action: Action::Call(ID, Verb::bare(if is_paused { "resume" } else { "pause" })),
            is_on: is_paused,
        }]
    }

    fn verbs(&self) -> &'static [VerbSpec] {
        VERBS
    }

    fn call(&self, verb: Verb) -> BoxFuture<'_, Result<Reply, ActError>> {
        Box::pin(self.ask(verb))
    }

    fn pages(&self) -> Vec<Page> {
        vec![Page {
            path: "/notices",
            title: "Notices",
            icon: "bell",
        }]
    }

    fn routes(self: Arc<Self>) -> Router {
        routes::routes(self)
    }

    fn live(&self, _request: LiveRequest) -> Option<Box<dyn Feed>> {
        Some(Box::new(feed::Rows::new(self.list.clone())))
    }

    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            let mut told = self.told.lock().await;
            let mut settings = self.settings.clone();
            let mut pushing = pin!(self.push.run());
            self.tell().await;
            loop {
                let due = self.due();
                let held = async {
                    match due {
                        Some(due) => sleep_until(due).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    Some(next) = told.recv() => self.take(next).await,
                    () = held => {
                        for notice in self.judged(|judge, moment| judge.release(moment)) {
                            self.tell_all(notice);
                        }
                    }
                    _ = settings.changed() => self.tell().await,
                    () = &mut pushing => return Ok(()),
                }
            }
        })
    }
}
