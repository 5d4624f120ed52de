//! What a module adds to the tray's menu, as plain values.

use crate::{ModuleId, Verb};

/// What choosing an entry does. A value, so that menus can be compared and tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Shows a page, e.g. `/chat` or `/chat/ses_1`, in its window.
    Open(String),
    /// Shows a page in the browser.
    OpenInBrowser(String),
    /// Asks something of a module.
    Call(ModuleId, Verb),
    /// Ends the agent.
    Quit,
}

/// One line of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Plain information, not clickable.
    Label(String),
    /// Does something.
    Item {
        /// Verb first: "Restart".
        text: String,
        /// What choosing it does.
        action: Action,
        /// Whether it can be chosen now.
        is_enabled: bool,
    },
    /// A switch.
    Check {
        /// What is on or off.
        text: String,
        /// What choosing it does.
        action: Action,
        /// Whether it shows a mark.
        is_on: bool,
    },
    /// A group of further entries.
    Submenu {
        /// The group's name.
        text: String,
        /// What it holds.
        entries: Vec<Entry>,
    },
    /// A line between groups.
    Separator,
}
