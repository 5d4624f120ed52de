//! Waiting for signals and for children.

use std::{
    collections::HashSet,
    io,
    time::{Duration, Instant},
};

use rustix::process::{Pid, WaitOptions, WaitStatus, wait, waitpid};

use crate::{Caught, Reaped};

/// How often pending signals and ended children are looked for: this system cannot wait for signals with a limit.
const LOOK_EVERY: Duration = Duration::from_millis(100);

const HELD: [libc::c_int; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGCHLD];

/// The signals a process that does nothing but wait is interested in, kept from interrupting it.
#[derive(Debug)]
pub struct Signals {
    _held: (),
}

impl Signals {
    /// Keeps SIGTERM, SIGINT, SIGHUP and SIGCHLD until [`Signals::wait_blocking`] asks for them. For the main thread,
    /// before any other exists.
    ///
    /// # Errors
    /// The system's.
    pub fn hold() -> io::Result<Self> {
        set_mask(&HELD)?;
        Ok(Self { _held: () })
    }

    /// The next signal, or `None` after `limit`, or when children may have ended.
    pub fn wait_blocking(&self, limit: Duration) -> Option<Caught> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(signal) = take_pending() {
                return Some(match signal {
                    libc::SIGCHLD => Caught::Child,
                    // Ctrl-C comes from the terminal, which asks every process in front of it.
                    libc::SIGINT => Caught::EndByTerminal,
                    _ => Caught::End,
                });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            std::thread::park_timeout(left.min(LOOK_EVERY));
            if limit > LOOK_EVERY {
                return None;
            }
        }
    }
}

fn take_pending() -> Option<libc::c_int> {
    // SAFETY: the sets are initialised by sigemptyset(3) before they are used; sigwait(3) returns at once because the
    // signal it is asked for is pending.
    unsafe {
        let mut pending = std::mem::zeroed();
        libc::sigemptyset(&raw mut pending);
        libc::sigpending(&raw mut pending);
        let signal = HELD
            .into_iter()
            .find(|&signal| libc::sigismember(&raw const pending, signal) == 1)?;
        let mut only = std::mem::zeroed();
        libc::sigemptyset(&raw mut only);
        libc::sigaddset(&raw mut only, signal);
        let mut taken = 0;
        (libc::sigwait(&raw const only, &raw mut taken) == 0).then_some(taken)
    }
}

/// Takes back what the parent holds: children inherit it.
pub(super) fn hear_every_signal() -> io::Result<()> {
    set_mask(&[])
}

fn set_mask(signals: &[libc::c_int]) -> io::Result<()> {
    // SAFETY: the set is initialised by sigemptyset(3); all of these may be called between fork and exec.
    let result = unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())
    };
    match result {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Takes note of one ended child of whatever kind; `None` when none has ended. Only for a process that waits for none of
/// its children in any other way.
pub fn reap_any() -> Option<Reaped> {
    let (pid, status) = wait(WaitOptions::NOHANG).ok()??;
    Some(reaped(pid, status))
}

/// Takes note of the end of a child, so that its number is free again. Harmless for any other process.
pub fn reap(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Nothing to do when it lives, or is not ours.
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

/// Does nothing: no orphan is ever handed to us here.
pub fn reap_adopted(_kept: &[u32], _seen: &mut HashSet<u32>) {}

fn reaped(pid: Pid, status: WaitStatus) -> Reaped {
    Reaped {
        pid: pid.as_raw_nonzero().get().unsigned_abs(),
        code: status.exit_status(),
        signal: status.terminating_signal(),
    }
}
