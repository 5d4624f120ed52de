//! Keeps the agent itself alive, from a process that does nothing else.
//!
//! `nexus run` calls [`enter`] before anything else. The first process of it becomes the monitor: it adopts orphans,
//! starts the same program again as the agent, and waits. The agent finds by its parent that it is the agent, and
//! [`enter`] returns at once. When the agent dies, everything it had started is handed to the monitor by the kernel,
//! which ends all of it and starts the agent again. What asks one of the two to end, ends both.
//!
//! The monitor touches no file, opens no socket and starts no thread, so that little can go wrong with it.

#[cfg(unix)]
mod life;

use std::{io, process::ExitCode, time::Duration};

/// Tells the agent the process number of its monitor, so that it knows itself. Not a secret; worthless in any other
/// process, because the number must be that of its parent.
pub const MONITOR_VARIABLE: &str = "NEXUS_MONITOR";

/// For tests that kill the agent more often than anybody else would bear.
pub const RESTARTS_VARIABLE: &str = "NEXUS_AGENT_RESTARTS";

/// How often an agent that dies is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restarts {
    /// So many within `window`, and no more.
    pub max: u32,
    /// How far back restarts count.
    pub window: Duration,
    /// The first restart follows at once, the second after this, then after twice as long each time.
    pub delay: Duration,
}

impl Default for Restarts {
    fn default() -> Self {
        Self {
            max: 3,
            window: Duration::from_secs(600),
            delay: Duration::from_secs(1),
        }
    }
}

impl Restarts {
    /// As usual, unless [`RESTARTS_VARIABLE`] holds a number: then that many, none of them delayed.
    pub fn from_environment() -> Self {
        let wanted = std::env::var(RESTARTS_VARIABLE)
            .ok()
            .and_then(|max| max.parse().ok());
        wanted.map_or_else(Self::default, |max| Self {
            max,
            delay: Duration::ZERO,
            ..Self::default()
        })
    }
}

/// Which of the two processes returned from [`enter`].
#[derive(Debug)]
pub enum Entered {
    /// This is the agent: go on.
    Agent,
    /// This was the monitor, and its work is done: leave with this code.
    Ended(ExitCode),
}

/// Becomes the monitor, or finds out that this is the agent. Blocks as long as the monitor lives. To be called from the
/// main thread before any other exists.
///
/// Either way this process adopts the orphans of its tree from now on and leaves no core dumps.
///
/// # Errors
/// What the system said when the agent could not be started the first time.
pub fn enter(restarts: Restarts) -> io::Result<Entered> {
    os::adopt_orphans()?;
    os::forbid_core_dumps()?;
    if is_agent() {
        return Ok(Entered::Agent);
    }
    process::watch_blocking(restarts).map(|ended| match ended {
        Some(code) => Entered::Ended(code),
        None => Entered::Agent,
    })
}

fn is_agent() -> bool {
    std::env::var(MONITOR_VARIABLE)
        .ok()
        .and_then(|pid| pid.parse().ok())
        .is_some_and(|pid: u32| os::parent_pid() == Some(pid))
}

#[cfg(unix)]
#[path = "monitor/unix.rs"]
mod process;

/// Windows ends every process of the job with the agent, and starts nothing again.
#[cfg(windows)]
mod process {
    use std::{io, process::ExitCode};

    pub(super) fn watch_blocking(_restarts: super::Restarts) -> io::Result<Option<ExitCode>> {
        Ok(None)
    }
}
