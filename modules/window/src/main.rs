//! `nexus-window`: shows the program's pages in windows of their own.
//!
//! The agent starts this process when a page is asked for and tells it what to show, one JSON object per line on
//! stdin ([`kit::window`] is the protocol). It ends with its last window, or when stdin does: a web engine never
//! gives its memory back and dies with the display, and neither may happen to the process that supervises children.
//!
//! It shows pages of one origin only, the gateway's, and lets nothing else in: links that lead elsewhere are handed
//! to the agent, which opens them in the browser. It knows no password; a single-use ticket travels in a header of
//! the first request and never stands in an address or an argument.

mod agent;
mod guard;
mod place;
mod platform;
mod shown;
mod stage;

use std::{path::PathBuf, process::ExitCode};

use kit::window::FromWindow;
use tao::{
    event::{Event, WindowEvent},
    event_loop::{ControlFlow, EventLoopBuilder},
    platform::run_return::EventLoopExtRunReturn,
};

use agent::Told;
use stage::Stage;

fn main() -> ExitCode {
    if let Err(reason) = platform::init() {
        agent::tell(&FromWindow::Failed { reason });
        return ExitCode::FAILURE;
    }
    let mut event_loop = EventLoopBuilder::<Told>::with_user_event().build();
    agent::listen(event_loop.create_proxy());
    let mut stage = Stage::new(folder(), event_loop.create_proxy());
    event_loop.run_return(|event, target, flow| {
        *flow = ControlFlow::Wait;
        if let Event::UserEvent(told) = event {
            stage.hear(told, target);
        } else if let Event::WindowEvent {
            window_id,
            event: WindowEvent::CloseRequested,
            ..
        } = event
        {
            stage.close(window_id);
        }
        if stage.is_over() {
            *flow = ControlFlow::Exit;
        }
    });
    stage.clear();
    ExitCode::SUCCESS
}

/// Where cookies and caches go: the folder after `--data`. Without one nothing is kept.
fn folder() -> Option<PathBuf> {
    let mut arguments = std::env::args_os().skip(1);
    let flag = arguments.next()?;
    (flag == "--data")
        .then(|| arguments.next().map(PathBuf::from))
        .flatten()
}
