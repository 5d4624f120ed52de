//! How a child ended, for whoever keeps a history.

use std::time::{Duration, Instant, SystemTime};

/// One end of a child that was to be there: a crash, a failed start, a hang, a restart. Not a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// When, for people.
    pub at: SystemTime,
    /// When, for measuring how long it was away.
    pub ended: Instant,
    /// Why, one sentence without its last words, e.g. `"opencode was ended by signal 9 (killed)"`.
    pub cause: String,
    /// How.
    pub exit: Exit,
    /// From its spawn to its end; `None` when nobody was there to see.
    pub ran_for: Option<Duration>,
    /// Its last lines, oldest first.
    pub last_output: Vec<String>,
}

/// What the system said about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It ended by itself with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// Nobody was there to see.
    Unknown,
}
