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
    /// Three probes in a row failed; the child is left alone.
    Unresponsive {
        /// The child.
        pid: u32,
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
