//! Waiting for signals and for children.

use std::{collections::HashSet, io, time::Duration};

use rustix::process::{Pid, WaitOptions, WaitStatus, wait, waitpid};

use super::table::{children_of, look_at};
use crate::{Caught, Reaped};

/// The signals a process that does nothing but wait is interested in, kept from interrupting it.
#[derive(Debug)]
pub struct Signals {
    set: libc::sigset_t,
}

#[expect(unsafe_code, reason = "waiting for signals is offered by the C library alone")]
impl Signals {
    /// Keeps SIGTERM, SIGINT, SIGHUP and SIGCHLD until [`Signals::wait`] asks for them. For the main thread, before any
    /// other exists. Children inherit it (Rust 1.95) unless they are started through this crate's own means.
    ///
    /// # Errors
    /// The system's.
    pub fn hold() -> io::Result<Self> {
        // SAFETY: sigemptyset(3) initialises the set it is given, the others change or read that set only.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGCHLD] {
                libc::sigaddset(&raw mut set, signal);
            }
            match libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) {
                0 => Ok(Self { set }),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }

    /// The next signal, or `None` after `limit`.
    pub fn wait_blocking(&self, limit: Duration) -> Option<Caught> {
        let limit = libc::timespec {
            tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        // SAFETY: sigtimedwait(2) reads the set and the limit and fills the siginfo it is given; all live here.
        let (signal, code) = unsafe {
            let mut details: libc::siginfo_t = std::mem::zeroed();
            let signal = libc::sigtimedwait(&raw const self.set, &raw mut details, &raw const limit);
            (signal, details.si_code)
        };
        match signal {
            libc::SIGCHLD => Some(Caught::Child),
            // The terminal's signals come from the kernel itself (SI_KERNEL), a person's kill(1) does not.
            libc::SIGINT | libc::SIGHUP if code > 0 => Some(Caught::EndByTerminal),
            libc::SIGTERM | libc::SIGINT | libc::SIGHUP => Some(Caught::End),
            _ => None,
        }
    }
}

/// Takes note of one ended child of whatever kind; `None` when none has ended. Only for a process that waits for none of
/// its children in any other way.
pub fn reap_any() -> Option<Reaped> {
    let (pid, status) = wait(WaitOptions::NOHANG).ok()??;
    Some(reaped(pid, status))
}

/// Takes note of the end of an adopted process, so that its number is free again. Harmless for any other.
pub fn reap(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Nothing to do when it lives, or is not ours.
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

/// Reaps adopted processes that have ended: children of ours in another session than ours that are not in `kept`, the
/// children somebody here waits for. Call it now and then with the same `seen`: one is reaped when it was already there
/// at the call before, so that nobody is overtaken who was just about to look.
pub fn reap_adopted(kept: &[u32], seen: &mut HashSet<u32>) {
    // From the same table as the children's: it reads 0 where a container was entered by a session from outside.
    let Some(own_session) = look_at(std::process::id()).map(|own| own.session) else {
        return;
    };
    let ended: HashSet<u32> = children_of(std::process::id())
        .into_iter()
        .filter_map(look_at)
        .filter(|child| child.is_over && child.session != own_session && !kept.contains(&child.identity.pid))
        .map(|child| child.identity.pid)
        .collect();
    for pid in ended.intersection(seen) {
        reap(*pid);
    }
    *seen = ended;
}

fn reaped(pid: Pid, status: WaitStatus) -> Reaped {
    Reaped {
        pid: pid.as_raw_nonzero().get().unsigned_abs(),
        code: status.exit_status(),
        signal: status.terminating_signal(),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, process::Command, time::Instant};

    use super::*;
    use crate::linux::table::children_of;

    #[test]
    fn an_orphan_that_was_handed_to_us_does_not_stay_as_a_zombie() {
        crate::adopt_orphans().unwrap();
        // One child that nobody has waited for yet, in our session: it belongs to somebody here.
        let mut own = Command::new("true").spawn().unwrap();
        let shell = Command::new("sh")
            .args(["-c", "setsid sleep 0.01 >/dev/null & echo $!"])
            .output()
            .unwrap();
        let orphan: u32 = String::from_utf8(shell.stdout).unwrap().trim().parse().unwrap();
        let begun = Instant::now();
        let mut seen = HashSet::new();

        while children_of(std::process::id()).contains(&orphan) {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "{orphan} is still there"
            );
            reap_adopted(&[], &mut seen);
            std::thread::yield_now();
        }

        assert!(own.wait().unwrap().success(), "our own child was left to us");
    }
}
