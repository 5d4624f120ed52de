//! The tray: draws a menu and says what was chosen.
//!
//! On Linux the icon is spoken over D-Bus by a thread of this module; neither display nor toolkit is involved, and a
//! panel that starts late or again is found by itself. Elsewhere the window system wants the tray on the main thread,
//! which therefore runs its event loop while the agent lives on another.

mod skin;

#[cfg(target_os = "linux")]
#[path = "tray/os/linux.rs"]
mod os;
#[cfg(not(target_os = "linux"))]
#[path = "tray/os/other.rs"]
mod os;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kit::Action;
use tokio::sync::mpsc;
use tray_icon::{MouseButton, MouseButtonState, TrayIconEvent, menu::MenuEvent};

use crate::menu::Menu;
use skin::Skin;

pub(super) use os::Tray;
pub(crate) use os::{Spot, beside_the_tray};

/// A line whose action changed this short a time ago is not what the person meant to choose.
const SETTLE: Duration = Duration::from_secs(1);

/// What each line does, and since when.
type Actions = Arc<Mutex<HashMap<String, (Action, Instant)>>>;

/// The icon as it is drawn, once there is something to draw.
struct Drawing {
    actions: Actions,
    skin: Option<Skin>,
}

impl Drawing {
    /// Nothing yet. What is chosen will arrive at `choices`.
    fn new(choices: mpsc::Sender<Action>) -> Self {
        let actions = Actions::default();
        listen(Arc::clone(&actions), choices);
        Self { actions, skin: None }
    }

    /// Draws a menu; the first one puts the icon into the tray.
    fn show(&mut self, menu: &Menu) -> anyhow::Result<()> {
        match &mut self.skin {
            Some(skin) => skin.show(menu),
            None => {
                self.skin = Some(Skin::new(menu, Arc::clone(&self.actions))?);
                Ok(())
            }
        }
    }
}

/// Forwards what was chosen. A queue that is full means that the agent is stuck; the click is lost then.
fn listen(actions: Actions, choices: mpsc::Sender<Action>) {
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

#[cfg(test)]
mod tests {
    use kit::{ModuleId, Verb};

    use super::*;

    #[test]
    fn a_line_that_has_just_changed_does_not_act() {
        let allow = Action::Call(ModuleId("chat"), Verb::bare("allow"));
        let check = |action: &Action, age_ms, expected: &Action| {
            assert_eq!(meant(action, Duration::from_millis(age_ms)), *expected);
        };

        check(&allow, 999, &Action::Open("/chat".to_owned()));
        check(&allow, 1_000, &allow);
        check(&Action::Quit, 0, &Action::Quit);
    }
}
