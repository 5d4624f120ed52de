//! A thread of its own.

use std::sync::mpsc as blocking_mpsc;

use kit::Action;
use tokio::sync::mpsc;

use super::Drawing;
use crate::menu::Menu;

/// Where the tray is drawn: anywhere.
pub(crate) struct Spot;

/// Does the agent's work; the tray needs nothing of this thread.
pub(crate) fn beside_the_tray<T: Send>(_wants_tray: bool, work: impl FnOnce(Spot) -> T + Send) -> T {
    work(Spot)
}

/// A handle on the tray. Dropping it takes the icon away.
pub(in crate::desktop) struct Tray {
    menus: blocking_mpsc::Sender<Menu>,
}

impl Tray {
    /// Starts the tray's thread. What is chosen arrives at `choices`.
    pub(in crate::desktop) fn start(_spot: Spot, choices: mpsc::Sender<Action>) -> Self {
        let (menus, asked) = blocking_mpsc::channel::<Menu>();
        let spawned = std::thread::Builder::new()
            .name("tray".to_owned())
            .spawn(move || draw(&asked, choices));
        if let Err(error) = spawned {
            tracing::warn!(%error, "there is no tray icon");
        }
        Self { menus }
    }

    /// Draws another menu.
    pub(in crate::desktop) fn show(&self, menu: Menu) {
        // Without a thread there is no tray, which was said when it ended.
        drop(self.menus.send(menu));
    }
}

fn draw(menus: &blocking_mpsc::Receiver<Menu>, choices: mpsc::Sender<Action>) {
    let mut drawing = Drawing::new(choices);
    while let Ok(mut menu) = menus.recv() {
        // Only the newest counts.
        while let Ok(newer) = menus.try_recv() {
            menu = newer;
        }
        if let Err(error) = drawing.show(&menu) {
            tracing::warn!("there is no tray icon: {error:#}");
            return;
        }
    }
}
