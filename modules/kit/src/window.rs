//! The line protocol between the agent and `nexus-window`, one JSON object per line.
//!
//! The agent writes [`ToWindow`] to the window process's stdin and reads [`FromWindow`] from its stdout. The end of
//! stdin means that the agent is gone: the window process ends too.

use serde::{Deserialize, Serialize};

/// What the agent says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum ToWindow {
    /// Shows the window called `name`, making it if there is none.
    Open {
        /// One window per name, e.g. `"chat"`.
        name: String,
        /// The gateway's address, e.g. `http://127.0.0.1:41234`; no other origin is ever loaded.
        origin: String,
        /// The page inside it, e.g. `/chat/ses_1`.
        path: String,
        /// A single-use ticket for `/enter`, sent in a header, never in an address.
        ticket: String,
        /// Where the window was last, if known.
        place: Option<Place>,
    },
    /// Closes every window.
    Quit,
}

/// What the window process says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum FromWindow {
    /// The window is on screen.
    Shown {
        /// Its name.
        name: String,
    },
    /// It was closed.
    Closed {
        /// Its name.
        name: String,
        /// Where it was.
        place: Place,
    },
    /// A link to another site was followed; the agent opens it in the browser.
    Browse {
        /// An http, https or mailto address.
        url: String,
    },
    /// The page's process died.
    Crashed {
        /// The window's name.
        name: String,
    },
    /// No window can be shown here.
    Failed {
        /// A sentence for the user.
        reason: String,
    },
}

/// Size and position of a window in logical pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Left edge; `None` where the system does not tell (Wayland).
    pub x: Option<i32>,
    /// Top edge.
    pub y: Option<i32>,
    /// Inner width.
    pub width: u32,
    /// Inner height.
    pub height: u32,
}
