//! The process table.

use std::{io, mem};

use rustix::{
    io::Errno,
    process::{Pid, kill_process},
};

use crate::{Identity, Process, Signal};

/// Room for processes that start between asking how many there are and asking which.
const SPARE: usize = 64;

/// Every process of the machine that can be seen.
///
/// # Errors
/// The kernel's.
pub fn processes() -> io::Result<Vec<Process>> {
    // SAFETY: without a buffer only the number of processes is returned.
    let count = unsafe { libc::proc_listallpids(std::ptr::null_mut(), 0) };
    let count = usize::try_from(count).map_err(|_negative| io::Error::last_os_error())?;
    let mut pids: Vec<libc::pid_t> = vec![0; count + SPARE];
    let bytes = i32::try_from(pids.len() * mem::size_of::<libc::pid_t>()).map_err(io::Error::other)?;
    // SAFETY: the buffer holds as many bytes as it is said to.
    let found = unsafe { libc::proc_listallpids(pids.as_mut_ptr().cast(), bytes) };
    let found = usize::try_from(found).map_err(|_negative| io::Error::last_os_error())?;
    pids.truncate(found);
    Ok(pids
        .into_iter()
        .filter_map(|pid| u32::try_from(pid).ok())
        .filter_map(look_at)
        .collect())
}

/// The process `pid` as it is now; `None` when there is none or it has ended and only waits to be reaped.
pub fn identify(pid: u32) -> Option<Identity> {
    look_at(pid)
        .filter(|process| !process.is_over)
        .map(|process| process.identity)
}

/// The direct children of `pid`.
pub fn children_of(pid: u32) -> Vec<u32> {
    processes()
        .unwrap_or_default()
        .into_iter()
        .filter(|process| process.parent == pid)
        .map(|process| process.identity.pid)
        .collect()
}

/// Whether the process was started with `name=value` in its environment. Only told of processes of the same user.
pub fn carries(pid: u32, name: &str, value: &str) -> bool {
    let entry = format!("{name}={value}");
    // Arguments come first; none of ours looks like this entry.
    arguments_and_environment(pid).is_some_and(|bytes| {
        bytes
            .split(|&byte| byte == 0)
            .any(|found| found == entry.as_bytes())
    })
}

/// Signals exactly the process `target`; `false` when it is gone.
///
/// # Errors
/// When it belongs to another user.
pub fn signal(target: Identity, signal: Signal) -> io::Result<bool> {
    let Some(pid) = i32::try_from(target.pid).ok().and_then(Pid::from_raw) else {
        return Ok(false);
    };
    if identify(target.pid) != Some(target) {
        return Ok(false);
    }
    let sent = match signal {
        Signal::Terminate => kill_process(pid, rustix::process::Signal::TERM)
            .and_then(|()| kill_process(pid, rustix::process::Signal::CONT)),
        Signal::Kill => kill_process(pid, rustix::process::Signal::KILL),
    };
    match sent {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn look_at(pid: u32) -> Option<Process> {
    let number = i32::try_from(pid).ok()?;
    let size = i32::try_from(mem::size_of::<libc::proc_bsdinfo>()).ok()?;
    // SAFETY: all zeroes is a valid value of this plain C struct.
    let mut details: libc::proc_bsdinfo = unsafe { mem::zeroed() };
    // SAFETY: the buffer is the struct this flavour fills, and its size is given.
    let filled =
        unsafe { libc::proc_pidinfo(number, libc::PROC_PIDTBSDINFO, 0, (&raw mut details).cast(), size) };
    (filled == size).then(|| Process {
        identity: Identity {
            pid,
            started: details.pbi_start_tvsec * 1_000_000 + details.pbi_start_tvusec,
        },
        parent: details.pbi_ppid,
        session: 0,
        is_over: details.pbi_status == libc::SZOMB,
    })
}

/// What `ps -E` shows: the number of arguments, the program's path, arguments and environment, each ended by a zero.
fn arguments_and_environment(pid: u32) -> Option<Vec<u8>> {
    let mut name = [libc::CTL_KERN, libc::KERN_PROCARGS2, i32::try_from(pid).ok()?];
    let mut length = 0;
    // SAFETY: without a buffer only the length is returned; the name has the three parts it is said to have.
    let failed = unsafe {
        libc::sysctl(
            name.as_mut_ptr(),
            3,
            std::ptr::null_mut(),
            &raw mut length,
            std::ptr::null_mut(),
            0,
        )
    };
    if failed != 0 {
        return None;
    }
    let mut bytes = vec![0_u8; length];
    // SAFETY: `length` says how much room `bytes` has.
    let failed = unsafe {
        libc::sysctl(
            name.as_mut_ptr(),
            3,
            bytes.as_mut_ptr().cast(),
            &raw mut length,
            std::ptr::null_mut(),
            0,
        )
    };
    bytes.truncate(length);
    (failed == 0).then_some(bytes)
}
