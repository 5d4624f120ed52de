//! Keeps the desktop true to the overview and does what is chosen there.

use std::{sync::Arc, time::Duration};

use kit::{Action, CancellationToken, Entry, Module, Notice, NoticeKind, NoticeSender, Overview};
use tokio::sync::{mpsc, watch};

use super::Desktop;
use crate::menu::{self, Menu};

/// The tray is drawn at most this often.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// What the driver reads.
pub struct Sources {
    /// How everything is.
    pub overview: watch::Receiver<Arc<Overview>>,
    /// What wants to be told.
    pub notices: mpsc::Receiver<Notice>,
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
    /// Asked to end by "Quit".
    pub stop: CancellationToken,
}

impl Driver {
    /// Lives until `stop`.
    pub async fn run(self, sources: Sources) {
        let Sources {
            mut overview,
            mut notices,
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
            while let Some(notice) = notices.recv().await {
                self.desktop.show_notice(notice).await;
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
        let parts: Vec<Vec<Entry>> = self
            .modules
            .iter()
            .filter_map(|module| {
                let status = overview.status(module.id().0)?;
                Some(module.menu(status))
            })
            .collect();
        menu::compute(overview, parts)
    }

    async fn act(&self, action: Action) {
        let failed = match action {
            Action::Open(path) => self.desktop.show_page(&path).await.err().map(|f| f.message),
            Action::OpenInBrowser(path) => self.desktop.browse(&path).await.err().map(|f| f.message),
            Action::Call(id, verb) => match self.modules.iter().find(|module| module.id() == id) {
                Some(module) => module.call(verb).await.err().map(|error| error.to_string()),
                None => None,
            },
            Action::Quit => {
                tracing::info!("asked to end from the tray");
                self.stop.cancel();
                None
            }
        };
        if let Some(reason) = failed {
            self.failures.send(Notice {
                kind: NoticeKind::Agent,
                key: "choice".to_owned(),
                title: "That did not work".to_owned(),
                body: crate::control::sentence(&reason),
                page: "/dashboard".to_owned(),
            });
        }
    }
}
