//! Where a supervised child stands.

use std::time::{Duration, SystemTime};

/// The public truth about a child.
///
/// ```text
///            start            good probe + gate
///  Stopped ────────▶ Starting ────────────────▶ Healthy ◀──────▶ Unresponsive
///     ▲                │  ▲                       │  exit            │ hung
///     │ gone           │  └──── until ── Backoff ◀┴──────────────────┘
///  Stopping ◀── stop ──┤                   │ 5 failures in 10 min
///                      ▼                   ▼
///                 NeedsAction           Degraded ── every 5 min ──▶ Starting
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Not wanted, nothing runs.
    Stopped,
    /// Spawned, or about to be, and not yet proven.
    Starting {
        /// Whether it takes unusually long (15 s).
        is_slow: bool,
    },
    /// An authenticated answer was seen and the gate passed.
    Healthy {
        /// The child.
        pid: u32,
    },
    /// Three probes in a row failed; the child is left alone as long as it shows signs of life.
    Unresponsive {
        /// The child.
        pid: u32,
        /// Whether it takes so long (5 min) that a person should be offered a restart.
        is_long: bool,
    },
    /// Waits before the next start.
    Backoff {
        /// Failures in a row.
        failures: u32,
        /// When the next start is due.
        until: SystemTime,
        /// What ended the last run, one sentence.
        cause: String,
    },
    /// Failed too often; tried again slowly when that can help.
    Degraded {
        /// What ended the last run, with its last output.
        cause: String,
        /// The next attempt, if there will be one.
        retry_at: Option<SystemTime>,
    },
    /// A person has to do something.
    NeedsAction {
        /// What and why.
        cause: String,
        /// How long until the cause is looked at again.
        recheck: Option<Duration>,
    },
    /// Being ended.
    Stopping,
}

impl Phase {
    /// Whether it lasts until something happens from outside, as opposed to being on the way somewhere. Waiting before
    /// a restart counts as settled: whoever asked for a start learns that it failed.
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Starting { .. } | Self::Stopping => false,
            Self::Stopped
            | Self::Healthy { .. }
            | Self::Unresponsive { .. }
            | Self::Backoff { .. }
            | Self::Degraded { .. }
            | Self::NeedsAction { .. } => true,
        }
    }

    /// The child, while there is one that was proven.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Healthy { pid } | Self::Unresponsive { pid, .. } => Some(*pid),
            Self::Stopped
            | Self::Starting { .. }
            | Self::Backoff { .. }
            | Self::Degraded { .. }
            | Self::NeedsAction { .. }
            | Self::Stopping => None,
        }
    }

    /// Why it does not run, where there is a reason.
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Backoff { cause, .. } | Self::Degraded { cause, .. } | Self::NeedsAction { cause, .. } => {
                Some(cause)
            }
            Self::Stopped
            | Self::Starting { .. }
            | Self::Healthy { .. }
            | Self::Unresponsive { .. }
            | Self::Stopping => None,
        }
    }

    /// One word for logs: `"healthy"`, `"needs_action"`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting { .. } => "starting",
            Self::Healthy { .. } => "healthy",
            Self::Unresponsive { .. } => "unresponsive",
            Self::Backoff { .. } => "backoff",
            Self::Degraded { .. } => "degraded",
            Self::NeedsAction { .. } => "needs_action",
            Self::Stopping => "stopping",
        }
    }
}

/// A cause as a full sentence; a program's `name` at its beginning stays as it is written.
pub fn sentence(cause: &str, name: &str) -> String {
    let cause = cause.trim();
    let mut letters = cause.chars();
    let first = match letters.next() {
        Some(first) if !cause.starts_with(name) => first.to_uppercase().chain(letters).collect(),
        Some(_) | None => cause.to_owned(),
    };
    if first.ends_with(['.', '!', '?']) || first.is_empty() {
        first
    } else {
        format!("{first}.")
    }
}
