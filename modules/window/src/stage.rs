//! All windows of the process.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use kit::window::{FromWindow, ToWindow};
use tao::{
    event_loop::{EventLoopProxy, EventLoopWindowTarget},
    window::WindowId,
};
use wry::WebContext;

use crate::{
    agent::{self, Told},
    shown::{Shown, Wanted},
};

/// A page whose process dies twice within this time is not loaded a third time.
const RELOAD_ONCE_PER: Duration = Duration::from_secs(60);

/// The windows by name.
pub(crate) struct Stage {
    shown: BTreeMap<String, Shown>,
    /// One for the life of the process: each starts a network process that lives as long.
    context: WebContext,
    events: EventLoopProxy<Told>,
    has_opened: bool,
    is_over: bool,
}

impl Stage {
    /// No window yet. Cookies and caches go to `folder`.
    pub(crate) fn new(folder: Option<PathBuf>, events: EventLoopProxy<Told>) -> Self {
        #[cfg_attr(
            not(feature = "automation"),
            expect(unused_mut, reason = "changed for tests only")
        )]
        let mut context = WebContext::new(folder);
        #[cfg(feature = "automation")]
        context.set_allows_automation(true);
        Self {
            shown: BTreeMap::new(),
            context,
            events,
            has_opened: false,
            is_over: false,
        }
    }

    /// Whether the process has nothing more to do.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over || self.has_opened && self.shown.is_empty()
    }

    /// Closes everything at the end.
    pub(crate) fn clear(&mut self) {
        for (name, shown) in std::mem::take(&mut self.shown) {
            farewell(name, &shown);
        }
    }

    /// Takes in what was told.
    pub(crate) fn hear(&mut self, told: Told, target: &EventLoopWindowTarget<Told>) {
        match told {
            Told::Agent(ToWindow::Open {
                name,
                origin,
                path,
                ticket,
                place,
            }) => {
                let wanted = Wanted {
                    name,
                    origin,
                    path,
                    ticket,
                    place,
                };
                self.open(&wanted, target);
            }
            Told::Agent(ToWindow::Quit) | Told::Alone => self.is_over = true,
            Told::Crashed(name) => self.mend(&name),
            Told::Titled { name, title } => {
                if let Some(shown) = self.shown.get(&name) {
                    shown.set_title(&title);
                }
            }
            Told::Close(name) => self.drop_window(&name),
        }
    }

    /// The person closed a window.
    pub(crate) fn close(&mut self, id: WindowId) {
        let name = self
            .shown
            .iter()
            .find(|(_, shown)| shown.id() == id)
            .map(|(name, _)| name.clone());
        if let Some(name) = name {
            self.drop_window(&name);
        }
    }

    fn drop_window(&mut self, name: &str) {
        if let Some(shown) = self.shown.remove(name) {
            farewell(name.to_owned(), &shown);
        }
    }

    fn open(&mut self, wanted: &Wanted, target: &EventLoopWindowTarget<Told>) {
        let opened = match self.shown.get(&wanted.name) {
            Some(shown) => shown.raise(wanted),
            None => {
                Shown::open(wanted, target, &mut self.context, &self.events, !self.has_opened).map(|shown| {
                    self.shown.insert(wanted.name.clone(), shown);
                    self.has_opened = true;
                })
            }
        };
        let said = match opened {
            Ok(()) => FromWindow::Shown {
                name: wanted.name.clone(),
            },
            Err(error) => FromWindow::Failed {
                reason: format!("No window can be shown here: {error:#}."),
            },
        };
        self.is_over |= matches!(said, FromWindow::Failed { .. }) && self.shown.is_empty();
        agent::tell(&said);
    }

    /// Loads a page whose process died once more; a page that keeps dying loses its window.
    fn mend(&mut self, name: &str) {
        agent::tell(&FromWindow::Crashed {
            name: name.to_owned(),
        });
        let now = Instant::now();
        let Some(shown) = self.shown.get_mut(name) else {
            return;
        };
        let is_again = shown
            .crashed_at
            .replace(now)
            .is_some_and(|last| now.duration_since(last) < RELOAD_ONCE_PER);
        if is_again || shown.load_again().is_err() {
            self.drop_window(name);
        }
    }
}

fn farewell(name: String, shown: &Shown) {
    agent::tell(&FromWindow::Closed {
        name,
        place: shown.place(),
    });
}
