//! This process.

use std::io;

use rustix::process::{Resource, Rlimit, getpid, getrlimit, set_child_subreaper, setrlimit};

/// From now on every process started below this one is handed to it when its parent ends, whatever session it made
/// for itself. They have to be reaped: see [`super::reap_adopted`].
///
/// # Errors
/// The kernel's, which has known this since 3.4.
pub fn adopt_orphans() -> io::Result<()> {
    // Any process number means "yes" (PR_SET_CHILD_SUBREAPER in prctl(2)).
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// No memory of this process reaches a core file. Children started through [`super::isolate`] get the limit back
/// that was in force before.
///
/// # Errors
/// The kernel's.
pub fn forbid_core_dumps() -> io::Result<()> {
    // Not 0: a limit of 0 does not keep the kernel from handing the core to a program named in
    // /proc/sys/kernel/core_pattern, 1 does (fs/coredump.c), and it is too little for a file.
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    Ok(setrlimit(
        Resource::Core,
        Rlimit {
            current: maximum.map_or(Some(1), |most| Some(most.min(1))),
            maximum,
        },
    )?)
}

/// Gives memory that was freed back to the system. Takes a few milliseconds: for after something big.
pub fn release_memory() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "glibc offers it as a plain C function")]
    // SAFETY: malloc_trim(3) takes no pointers and may be called from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Heaps of all threads together.
#[cfg(target_env = "gnu")]
const HEAPS: libc::c_int = 2;

/// Has all threads share few heaps. Each thread would get one of its own, and threads that read a file or the database
/// now and then keep what they freed there. To be called before any thread is started.
pub fn share_heaps() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "glibc offers it as a plain C function")]
    // SAFETY: mallopt(3) takes no pointers; no other thread allocates yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
}

/// Names this boot of the machine; process numbers and start times mean nothing beyond it.
///
/// # Errors
/// When `/proc` is not mounted.
pub fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// The user this process acts as.
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The process that started this one, or the one it was handed to.
pub fn parent_pid() -> Option<u32> {
    rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
}
