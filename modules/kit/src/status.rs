//! How a module is, in values every skin understands.

use std::time::SystemTime;

use serde::Serialize;

/// What a module is doing. The word is part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Asked to be off.
    Stopped,
    /// Not yet proven to work.
    Starting,
    /// Proven to work (a supervised process).
    Healthy,
    /// Works (a module without a process).
    Running,
    /// Alive but not answering.
    Unresponsive,
    /// Waits before the next attempt.
    Backoff,
    /// Works in part, or is retried slowly.
    Degraded,
    /// Nothing goes on until a person does something.
    NeedsAction,
    /// Winding down.
    Stopping,
    /// Remote access is off.
    Off,
    /// Remote access is refused because a precondition is missing.
    Blocked,
    /// Remote access works.
    Connected,
    /// Remote access dials again.
    Reconnecting,
}

impl State {
    /// The word in JSON, e.g. `"needs_action"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Running => "running",
            Self::Unresponsive => "unresponsive",
            Self::Backoff => "backoff",
            Self::Degraded => "degraded",
            Self::NeedsAction => "needs_action",
            Self::Stopping => "stopping",
            Self::Off => "off",
            Self::Blocked => "blocked",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
        }
    }

    /// The words on a page, e.g. `"Needs you"`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Stopped => "Stopped",
            Self::Starting => "Starting",
            Self::Healthy | Self::Running => "Running",
            Self::Unresponsive => "Not answering",
            Self::Backoff => "Restarting",
            Self::Degraded => "Degraded",
            Self::NeedsAction => "Needs you",
            Self::Stopping => "Stopping",
            Self::Off => "Off",
            Self::Blocked => "Blocked",
            Self::Connected => "Connected",
            Self::Reconnecting => "Reconnecting",
        }
    }

    /// Whether the state lasts: nothing is under way that would change it soon.
    pub fn is_settled(self) -> bool {
        match self {
            Self::Stopped
            | Self::Healthy
            | Self::Running
            | Self::Degraded
            | Self::NeedsAction
            | Self::Off
            | Self::Blocked
            | Self::Connected => true,
            Self::Starting | Self::Unresponsive | Self::Backoff | Self::Stopping | Self::Reconnecting => {
                false
            }
        }
    }
}

/// A labelled figure, e.g. `Sessions: 3 busy`. In JSON: `["Sessions","3 busy"]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact(pub &'static str, pub String);

/// A verb that makes sense at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// One of the module's verbs.
    pub verb: &'static str,
    /// The button's text, e.g. `"Restart now"`.
    pub label: &'static str,
}

/// The single truth about a module at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// What it is doing.
    pub state: State,
    /// Since when.
    pub since: SystemTime,
    /// The sentence the user sees when the state needs one: what happened, what is done about it, what they can do.
    pub reason: Option<String>,
    /// When the next attempt is made, in `Backoff` and `Degraded`.
    pub next_attempt: Option<SystemTime>,
    /// Three to five figures for card and tooltip. Unknown ones are left out, never made up.
    pub facts: Vec<Fact>,
    /// Verbs that make sense now but not usually; shown as buttons beside the usual ones.
    pub offers: Vec<Offer>,
    /// Further members of the module's object in `nexus status --json`, e.g. `pid`, `port`, `version`.
    pub details: serde_json::Map<String, serde_json::Value>,
}

impl Status {
    /// A bare status.
    pub fn new(state: State, since: SystemTime) -> Self {
        Self {
            state,
            since,
            reason: None,
            next_attempt: None,
            facts: Vec::new(),
            offers: Vec::new(),
            details: serde_json::Map::new(),
        }
    }

    /// The same with a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}
