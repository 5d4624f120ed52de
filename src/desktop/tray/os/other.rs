//! The main thread's event loop, on macOS and Windows.

use kit::Action;
use tao::{
    event::Event,
    event_loop::{ControlFlow, EventLoopBuilder, EventLoopProxy},
    platform::run_return::EventLoopExtRunReturn,
};
use tokio::sync::mpsc;

use super::Drawing;
use crate::menu::Menu;

/// Where the tray is drawn: on the main thread, while it has a loop.
pub(crate) struct Spot(Option<EventLoopProxy<Told>>);

/// What the main thread is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// Where choices go.
    Begin(mpsc::Sender<Action>),
    /// What to draw.
    Show(Box<Menu>),
    /// The agent has ended.
    Over,
}

/// Does the agent's work on another thread while this one, the main thread, serves the tray.
pub(crate) fn beside_the_tray<T: Send>(wants_tray: bool, work: impl FnOnce(Spot) -> T + Send) -> T {
    if !wants_tray {
        return work(Spot(None));
    }
    let mut event_loop = EventLoopBuilder::<Told>::with_user_event().build();
    let (spot, over) = (Spot(Some(event_loop.create_proxy())), event_loop.create_proxy());
    std::thread::scope(|scope| {
        let working = scope.spawn(move || {
            // Told even when the work panics, or the loop would never end.
            let _told_when_dropped = Farewell(over);
            work(spot)
        });
        let mut drawing = None;
        event_loop.run_return(|event, _, flow| {
            *flow = ControlFlow::Wait;
            if let Event::UserEvent(told) = event {
                match told {
                    Told::Begin(choices) => drawing = Some(Drawing::new(choices)),
                    Told::Show(menu) => show(drawing.as_mut(), &menu),
                    Told::Over => *flow = ControlFlow::Exit,
                }
            }
        });
        match working.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn show(drawing: Option<&mut Drawing>, menu: &Menu) {
    if let Some(Err(error)) = drawing.map(|drawing| drawing.show(menu)) {
        tracing::warn!("the tray could not be drawn: {error:#}");
    }
}

struct Farewell(EventLoopProxy<Told>);

impl Drop for Farewell {
    fn drop(&mut self) {
        // A loop that is gone needs no telling.
        drop(self.0.send_event(Told::Over));
    }
}

/// A handle on the tray.
pub(in crate::desktop) struct Tray(Spot);

impl Tray {
    /// Begins to draw. What is chosen arrives at `choices`.
    pub(in crate::desktop) fn start(spot: Spot, choices: mpsc::Sender<Action>) -> Self {
        let tray = Self(spot);
        tray.tell(Told::Begin(choices));
        tray
    }

    /// Draws another menu.
    pub(in crate::desktop) fn show(&self, menu: Menu) {
        self.tell(Told::Show(Box::new(menu)));
    }

    fn tell(&self, told: Told) {
        if let Some(proxy) = &self.0.0 {
            // The loop ends with the agent only.
            drop(proxy.send_event(told));
        }
    }
}
