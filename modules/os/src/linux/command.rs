//! How children are started.
#![expect(
    unsafe_code,
    reason = "what runs between fork and exec can only be given as an unsafe closure"
)]

use std::{os::unix::process::CommandExt, process::Command};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit, setsid,
};

/// Gives the child a session of its own, out of reach of our terminal, and the limits of an ordinary program.
pub fn isolate(command: &mut Command) {
    // SAFETY: only async-signal-safe system calls (setsid, sigprocmask, prlimit), no allocation, no locks.
    unsafe {
        command.pre_exec(|| {
            setsid()?;
            hear_every_signal()?;
            let Rlimit { maximum, .. } = getrlimit(Resource::Core);
            // What a shell of most distributions starts with: no core file, but programs may raise it.
            setrlimit(
                Resource::Core,
                Rlimit {
                    current: Some(0),
                    maximum,
                },
            )?;
            Ok(())
        });
    }
}

/// Has the child told to end as soon as the *thread* that starts it ends: only for processes with a single thread.
pub fn end_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    // SAFETY: only async-signal-safe system calls (sigprocmask, prctl, getppid), no allocation, no locks.
    unsafe {
        command.pre_exec(move || {
            hear_every_signal()?;
            set_parent_process_death_signal(Some(Signal::TERM))?;
            // The parent may have ended before the line above.
            if getppid().map(Pid::as_raw_nonzero) == Some(parent.as_raw_nonzero()) {
                Ok(())
            } else {
                Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe))
            }
        });
    }
}

/// Takes back what the parent holds: the standard library lets children inherit it, and a child that cannot be asked
/// to end can only be killed.
fn hear_every_signal() -> std::io::Result<()> {
    // SAFETY: sigemptyset(3) initialises the set it is given and pthread_sigmask(3) reads it; both may be called
    // between fork and exec.
    let result = unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())
    };
    match result {
        0 => Ok(()),
        error => Err(std::io::Error::from_raw_os_error(error)),
    }
}
