//! Keeps the desktop true to the overview and does what is chosen there.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kit::{Action, CancellationToken, Module, Notice, NoticeKind, NoticeSender, Overview, Reply};
use notices::Show;
use tokio::sync::{mpsc, watch};

use super::Desktop;
use crate::{
    menu::{self, Menu, Part},
    modules::{self, Busy},
};

/// The tray is drawn at most this often.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// A second "Quit" within this time means it.
const SURE_WITHIN: Duration = Duration::from_secs(60);

/// What the driver reads.
pub struct Sources {
    /// How everything is.
    pub overview: watch::Receiver<Arc<Overview>>,
    /// What wants to be shown.
    pub shows: mpsc::Receiver<Show>,
    /// What was chosen.
    pub choices: mpsc::Receiver<Action>,
}

/// Draws, tells and acts.
pub struct Driver {
    /// What is drawn on.
    pub desktop: Arc<dyn Desktop>,
    /// Whose menu lines are shown and who is asked.
    pub modules: Vec<Arc<dyn Module>>,
    /// Where failures of what was chosen are told.
    pub failures: NoticeSender,
    /// Who would be cut off by an end.
    pub busy: Busy,
    /// Asked to end by "Quit".
    pub stop: CancellationToken,
    /// When "Quit" was chosen last.
    pub asked_to_quit: Mutex<Option<Instant>>,
}

impl Driver {
    /// Lives until `stop`.
    pub async fn run(self, sources: Sources) {
        let Sources {
            mut overview,
            mut shows,
            mut choices,
        } = sources;
        let seen = overview.clone();
        let draw = async {
            let mut drawn = None;
            loop {
                let menu = self.menu(&overview.borrow_and_update());
                if drawn.as_ref() != Some(&menu) {
                    self.desktop.show_menu(menu.clone());
                    drawn = Some(menu);
                }
                if overview.changed().await.is_err() {
                    return std::future::pending::<()>().await;
                }
                tokio::time::sleep(DRAW_EVERY).await;
            }
        };
        let tell = async {
            while let Some(show) = shows.recv().await {
                match show {
                    Show::Bubble(notice) => self.desktop.show_notice(notice).await,
                    Show::Remove(key) => self.desktop.remove_notice(key).await,
                }
            }
            std::future::pending::<()>().await;
        };
        let act = async {
            while let Some(action) = choices.recv().await {
                self.act(action).await;
                self.desktop.show_menu(self.menu(&seen.borrow()));
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = draw => {}
            () = tell => {}
            () = act => {}
        }
    }

    fn menu(&self, overview: &Overview) -> Menu {
        let parts: Vec<Part> = self
            .modules
            .iter()
            .filter_map(|module| {
                let id = module.id();
                let entries = module.menu(overview.status(id.0)?);
                Some(Part { id, entries })
            })
            .collect();
        menu::compute(overview, parts)
    }

    /// Ends the agent; with sessions at work only when chosen a second time.
    async fn quit(&self) {
        let busy = (self.busy)().await;
        let asked = self
            .asked_to_quit
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(Instant::now());
        let is_sure = asked.is_some_and(|at| at.elapsed() < SURE_WITHIN);
        if busy.is_empty() || is_sure {
            tracing::info!("asked to end from the tray");
            self.stop.cancel();
            return;
        }
        self.failures.send(Notice {
            kind: NoticeKind::Agent,
            key: "quit".to_owned(),
            title: "Sessions are still at work".to_owned(),
            body: format!(
                "{} Choose Quit again within a minute to end them.",
                modules::still_at_work(&busy)
            ),
            page: "/chat".to_owned(),
            answers: Vec::new(),
            away: None,
        });
    }

    async fn act(&self, action: Action) {
        const FAILED: &str = "That did not work";
        let told = match action {
            Action::Open(path) => self
                .desktop
                .show_page(&path)
                .await
                .err()
                .map(|f| (FAILED, f.message)),
            Action::OpenInBrowser(path) => self
                .desktop
                .browse(&path)
                .await
                .err()
                .map(|f| (FAILED, f.message)),
            Action::Call(id, verb) => match self.modules.iter().find(|module| module.id() == id) {
                Some(module) => {
                    tracing::info!(target: "audit", event = "verb", module = id.0, verb = verb.name, by = "the desktop", "a module was asked to act");
                    match module.call(verb).await {
                        Ok(Reply::Note(text)) => Some(("About what you chose", text)),
                        Ok(Reply::Done | Reply::Text(_) | Reply::Json(_)) => None,
                        Err(error) => Some((FAILED, error.to_string())),
                    }
                }
                None => None,
            },
            Action::Quit => {
                self.quit().await;
                None
            }
        };
        if let Some((title, text)) = told {
            self.failures.send(Notice {
                kind: NoticeKind::Agent,
                key: "choice".to_owned(),
                title: title.to_owned(),
                body: kit::text::sentence(&text),
                page: "/dashboard".to_owned(),
                answers: Vec::new(),
                away: None,
            });
        }
    }
}

#[cfg(test)]
mod tests;
