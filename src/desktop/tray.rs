//! The tray: draws a menu and says what was chosen.
//!
//! On Linux the icon is spoken over D-Bus by a thread of this module; neither display nor toolkit is involved, and a
//! panel that starts late or again is found by itself. Elsewhere the window system wants the tray on the main thread.

mod skin;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use kit::Action;
use tokio::sync::mpsc as async_mpsc;

use crate::menu::Menu;
use skin::Skin;

/// A line whose action changed this short a time ago is not what the person meant to choose.
const SETTLE: Duration = Duration::from_secs(1);

/// What each line does, and since when.
type Actions = Arc<Mutex<HashMap<String, (Action, Instant)>>>;

/// A handle on the tray. Dropping it takes the icon away.
pub(super) struct Tray {
    menus: mpsc::Sender<Menu>,
}

impl Tray {
    /// Starts the tray's thread. What is chosen arrives at `choices`.
    pub(super) fn start(choices: async_mpsc::Sender<Action>) -> Self {
        let (menus, drawn) = mpsc::channel::<Menu>();
        let spawned = std::thread::Builder::new()
            .name("tray".to_owned())
            .spawn(move || draw(&drawn, choices));
        if let Err(error) = spawned {
            tracing::warn!(%error, "there is no tray icon");
        }
        Self { menus }
    }

    /// Draws another menu.
    pub(super) fn show(&self, menu: Menu) {
        // Without a thread there is no tray, which was said when it ended.
        drop(self.menus.send(menu));
    }
}

fn draw(menus: &mpsc::Receiver<Menu>, choices: async_mpsc::Sender<Action>) {
    let Ok(first) = menus.recv() else { return };
    let actions = Actions::default();
    listen(Arc::clone(&actions), choices);
    let mut skin = match Skin::new(&first, Arc::clone(&actions)) {
        Ok(skin) => skin,
        Err(error) => {
            tracing::warn!("there is no tray icon: {error:#}");
            return;
        }
    };
    while let Ok(mut menu) = menus.recv() {
        // Only the newest counts.
        while let Ok(newer) = menus.try_recv() {
            menu = newer;
        }
        if let Err(error) = skin.show(&menu) {
            tracing::warn!("the tray could not be drawn: {error:#}");
        }
    }
}

/// Forwards what was chosen. A queue that is full means that the agent is stuck; the click is lost then.
fn listen(actions: Actions, choices: async_mpsc::Sender<Action>) {
    use tray_icon::{MouseButton, MouseButtonState, TrayIconEvent, menu::MenuEvent};
    let clicked = choices.clone();
    MenuEvent::set_event_handler(Some(move |event: MenuEvent| {
        let actions = actions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((action, since)) = actions.get(event.id().as_ref()) {
            drop(choices.try_send(meant(action, since.elapsed())));
        }
    }));
    TrayIconEvent::set_event_handler(Some(move |event| {
        if let TrayIconEvent::Click {
            button: MouseButton::Left,
            button_state: MouseButtonState::Up,
            ..
        } = event
        {
            drop(clicked.try_send(Action::Open("/chat".to_owned())));
        }
    }));
}

/// A click that fell on a line just as its action changed opens the chat instead, where the person can look first.
fn meant(action: &Action, age: Duration) -> Action {
    match action {
        Action::Call(..) if age < SETTLE => Action::Open("/chat".to_owned()),
        Action::Open(_) | Action::OpenInBrowser(_) | Action::Call(..) | Action::Quit => action.clone(),
    }
}
