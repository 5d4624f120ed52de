//! The line to the agent.

use std::io::{self, BufRead, BufReader, Write};

use kit::window::{FromWindow, ToWindow};
use tao::event_loop::EventLoopProxy;

/// What reaches the event loop from outside the windows.
#[derive(Debug)]
pub(crate) enum Told {
    /// The agent said something.
    Agent(ToWindow),
    /// The agent is gone.
    Alone,
    /// The process of a window's page died.
    Crashed(String),
    /// A page has another title.
    Titled {
        /// The window.
        name: String,
        /// Its page's title; empty while the page has none.
        title: String,
    },
    /// A page asked for its window to be closed.
    Close(String),
}

/// Reads stdin on a thread of its own until it ends.
pub(crate) fn listen(events: EventLoopProxy<Told>) {
    std::thread::spawn(move || {
        for line in BufReader::new(io::stdin()).lines() {
            let Ok(line) = line else { break };
            // A line of a newer agent that is not understood is skipped: the rest still works.
            if let Ok(told) = serde_json::from_str(&line)
                && events.send_event(Told::Agent(told)).is_err()
            {
                return;
            }
        }
        // An error here means that the loop has ended already.
        drop(events.send_event(Told::Alone));
    });
}

/// Says something to the agent. An agent that is gone cannot be told; stdin's end says so a moment later.
pub(crate) fn tell(said: &FromWindow) {
    if let Ok(mut line) = serde_json::to_vec(said) {
        line.push(b'\n');
        let mut out = io::stdout().lock();
        drop(out.write_all(&line).and_then(|()| out.flush()));
    }
}
