//! The real desktop of this session.

use std::{path::PathBuf, sync::Arc, time::Duration};

use gateway::Purpose;
use kit::{Action, BoxFuture, CancellationToken, Notice, NoticeKind, NoticeSender};
use store::Store;
use tokio::sync::mpsc;

use super::{
    Desktop, Shown, browser,
    notices::Bubbles,
    places::Places,
    tray::{Spot, Tray},
    tray_host,
    windows::{self, WindowHost, Windows},
};
use crate::{
    control::{Code, Failure},
    entrance::Entrance,
    menu::Menu,
};

/// Links that wait to be opened.
const LINKS_MAX: usize = 8;
/// What is told of a missing window replaces what was told before, and goes when a window is shown.
const NO_WINDOW: &str = "window";
/// As long as its ticket lives.
const ENTRY_FILE_LIFE: Duration = Duration::from_secs(60);
/// Files with a ticket that wait for their browser.
const ENTRY_FILES_MAX: usize = 8;

/// Tray, windows, notices and browser of the session the agent runs in.
pub struct Session {
    tray: Tray,
    windows: Windows,
    bubbles: Bubbles,
    entrance: Arc<dyn Entrance>,
    run: PathBuf,
    entries: mpsc::Sender<browser::Entry>,
    notices: NoticeSender,
}

/// What the session does on its own.
pub struct Life {
    windows: WindowHost,
    links: mpsc::Receiver<String>,
    entries: mpsc::Receiver<browser::Entry>,
    choices: mpsc::Sender<Action>,
    notices: NoticeSender,
}

/// What the session needs of the agent.
pub struct Needs {
    /// Where the tray is drawn.
    pub(crate) spot: Spot,
    /// Private folder for files with a ticket.
    pub run: PathBuf,
    /// Where windows keep cookies and caches.
    pub window_data: PathBuf,
    /// How pages are entered.
    pub entrance: Arc<dyn Entrance>,
    /// Where places of windows are kept.
    pub store: Store,
    /// Where it is said that there is no tray.
    pub notices: NoticeSender,
    /// Where what is chosen goes.
    pub choices: mpsc::Sender<Action>,
}

impl Session {
    /// Wires the session; the tray's thread waits for its first menu.
    ///
    /// # Errors
    /// That the places of windows cannot be kept, or where this program is.
    pub fn new(needs: Needs) -> anyhow::Result<(Arc<Self>, Life)> {
        let (windows, asks) = windows::channel();
        let (links, links_asked) = mpsc::channel(LINKS_MAX);
        let (entries, entries_written) = mpsc::channel(ENTRY_FILES_MAX);
        let host = WindowHost {
            program: std::env::current_exe()?.with_file_name(window_program()),
            data: needs.window_data,
            entrance: Arc::clone(&needs.entrance),
            places: Places::new(needs.store)?,
            asks,
            links,
        };
        let session = Arc::new(Self {
            tray: Tray::start(needs.spot, needs.choices.clone()),
            windows,
            bubbles: Bubbles::new(),
            entrance: needs.entrance,
            run: needs.run,
            entries,
            notices: needs.notices.clone(),
        });
        let life = Life {
            windows: host,
            links: links_asked,
            entries: entries_written,
            choices: needs.choices,
            notices: needs.notices,
        };
        Ok((session, life))
    }

    /// Lives until `stop`; no window is left then.
    pub async fn live(self: Arc<Self>, life: Life, stop: CancellationToken) {
        let Life {
            windows,
            mut links,
            mut entries,
            choices,
            notices,
        } = life;
        let open_links = async {
            while let Some(url) = links.recv().await {
                if let Err(error) = browser::open(&url).await {
                    tracing::warn!(%error, "a link could not be opened in the browser");
                }
            }
        };
        let forget_entries = async {
            while let Some(entry) = entries.recv().await {
                tokio::time::sleep(ENTRY_FILE_LIFE).await;
                drop(entry);
            }
        };
        let on_the_side = async {
            tokio::select! {
                () = stop.cancelled() => {}
                ((), ()) = async { tokio::join!(open_links, forget_entries) } => {}
            }
        };
        tokio::join!(
            windows.run(stop.clone()),
            self.bubbles.listen(choices, stop.clone()),
            tray_host::watch_over(notices, stop.clone()),
            on_the_side,
        );
    }
}

impl Desktop for Session {
    fn show_menu(&self, menu: Menu) {
        self.tray.show(menu);
    }

    fn show_notice(&self, notice: Notice) -> BoxFuture<'_, ()> {
        Box::pin(self.bubbles.show(notice))
    }

    fn remove_notice(&self, key: String) -> BoxFuture<'_, ()> {
        Box::pin(self.bubbles.remove(key))
    }

    fn show_page<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Shown, Failure>> {
        Box::pin(async move {
            let Err(why) = self.windows.show(path).await else {
                self.notices.settle(NO_WINDOW);
                return Ok(Shown::Window);
            };
            self.enter_in_browser(path).await.map_err(|failure| {
                let text = format!("There is no window, because {why}. {}", failure.message);
                Failure::new(failure.code, text)
            })?;
            let told = why.told();
            self.notices.send(Notice {
                kind: NoticeKind::Agent,
                key: NO_WINDOW.to_owned(),
                title: "Opened in the browser".to_owned(),
                body: told.clone(),
                page: path.to_owned(),
                answers: Vec::new(),
                away: None,
            });
            Ok(Shown::Browser(told))
        })
    }

    fn browse<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.enter_in_browser(path))
    }
}

impl Session {
    async fn enter_in_browser(&self, path: &str) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(
                Code::NeedsUser,
                format!(
                    "The browser could not be opened ({error}). `nexus open --print-url` prints a link instead."
                ),
            )
        };
        let url = self.entrance.local_url().borrow().clone();
        let url = url.ok_or_else(|| {
            Failure::failed("The program's pages are not served yet. Try again in a moment.")
        })?;
        let ticket = self.entrance.ticket(Purpose::Link, path);
        let entry = browser::Entry::write(&self.run, &url, ticket.secret.expose()).map_err(failed)?;
        browser::open(&format!("file://{}", entry.path().display()))
            .await
            .map_err(failed)?;
        // When too many wait already this one's file goes at once: somebody is clicking faster than browsers open.
        drop(self.entries.try_send(entry));
        Ok(())
    }
}

fn window_program() -> &'static str {
    if cfg!(windows) {
        "nexus-window.exe"
    } else {
        "nexus-window"
    }
}
