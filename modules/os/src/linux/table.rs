//! The process table.

use std::{fs, io, os::unix::ffi::OsStrExt, path::Path};

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, kill_process, pidfd_open, pidfd_send_signal},
};

use crate::{Identity, Process, Signal};

/// Every process of the machine that can be seen. Takes some milliseconds.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn processes() -> io::Result<Vec<Process>> {
    let mut found = Vec::with_capacity(256);
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok())
            // It may have ended since the folder was read.
            && let Some(process) = look_at(pid)
        {
            found.push(process);
        }
    }
    Ok(found)
}

/// The process `pid` as it is now; `None` when there is none or it has ended and only waits to be reaped.
pub fn identify(pid: u32) -> Option<Identity> {
    look_at(pid)
        .filter(|process| !process.is_over)
        .map(|process| process.identity)
}

/// The direct children of `pid`, quickly: a child that starts or ends at this moment may be missing.
pub fn children_of(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let mut children = Vec::new();
    for thread in threads.flatten() {
        if let Ok(text) = fs::read_to_string(thread.path().join("children")) {
            children.extend(
                text.split_ascii_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
    }
    children
}

/// Whether the process was started with `name=value` in its environment. Only told of processes of the same user.
pub fn carries(pid: u32, name: &str, value: &str) -> bool {
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else {
        return false;
    };
    environment.split(|&byte| byte == 0).any(|entry| {
        entry
            .strip_prefix(name.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="))
            == Some(value.as_bytes())
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
    let sent = match pidfd_open(pid, PidfdFlags::empty()) {
        // The descriptor holds on to whoever has the number now; if that is the right one, it stays the right one.
        Ok(descriptor) if identify(target.pid) == Some(target) => {
            deliver(signal, |number| pidfd_send_signal(&descriptor, number))
        }
        Ok(_other) => Err(Errno::SRCH),
        // Before Linux 5.3.
        Err(Errno::NOSYS) if identify(target.pid) == Some(target) => {
            deliver(signal, |number| kill_process(pid, number))
        }
        Err(Errno::NOSYS) => Err(Errno::SRCH),
        Err(error) => Err(error),
    };
    match sent {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn deliver(signal: Signal, send: impl Fn(rustix::process::Signal) -> Result<(), Errno>) -> Result<(), Errno> {
    match signal {
        Signal::Terminate => {
            send(rustix::process::Signal::TERM)?;
            send(rustix::process::Signal::CONT)
        }
        Signal::Kill => send(rustix::process::Signal::KILL),
    }
}

/// The process `pid` as it is now, even if it has ended and only waits to be reaped.
pub fn look_at(pid: u32) -> Option<Process> {
    // The name in the second field may hold any byte.
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(pid, &stat)
}

/// Fields 3, 4, 6, 20 and 22 of `/proc/PID/stat`; the second one is in brackets and may hold spaces and brackets.
///
/// The first thread of a process can have ended before the others: then it is shown as a zombie, and the process still
/// has its memory and its ports.
fn parse_stat(pid: u32, stat: &[u8]) -> Option<Process> {
    let after_name = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let rest = std::str::from_utf8(&stat[after_name..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    let threads: u32 = fields.nth(13)?.parse().ok()?;
    let started = fields.nth(1)?.parse().ok()?;
    Some(Process {
        identity: Identity { pid, started },
        parent,
        session,
        is_over: matches!(state, "Z" | "X" | "x") && threads <= 1,
    })
}

/// The program's file name, or the name the kernel has for it.
pub(super) fn program_of(pid: u32) -> Option<String> {
    let named_file = fs::read_link(format!("/proc/{pid}/exe"))
        .ok()
        .and_then(|path| file_name(&path));
    named_file.or_else(|| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some(name.trim().to_owned())
    })
}

fn file_name(path: &Path) -> Option<String> {
    let name = String::from_utf8_lossy(path.file_name()?.as_bytes()).into_owned();
    Some(name.strip_suffix(" (deleted)").unwrap_or(&name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_brackets_does_not_confuse_the_table() {
        let stat = b"4711 (a) Z 1 (b)) S 12 4711 4700 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 10 20";

        assert_eq!(
            parse_stat(4711, stat),
            Some(Process {
                identity: Identity {
                    pid: 4711,
                    started: 98765
                },
                parent: 12,
                session: 4700,
                is_over: false
            })
        );
        assert_eq!(parse_stat(1, b"1 (cut"), None);
        assert_eq!(parse_stat(1, b"1 (cut) S 0"), None);
    }

    #[test]
    fn a_process_is_over_when_its_last_thread_has_ended() {
        let is_over = |threads: &str| {
            let stat = format!("7 (a) Z 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 {threads} 0 98765 10 20");
            parse_stat(7, stat.as_bytes()).unwrap().is_over
        };

        assert!(!is_over("5"));
        assert!(is_over("1"));
        assert!(is_over("0"));
    }

    /// Its first thread ends and the second one stays until the test lets it go.
    #[test]
    fn a_process_without_its_first_thread_is_still_there() {
        const SCRIPT: &str = "\
import ctypes, sys, threading
def stay():
    sys.stdin.readline()
    ctypes.CDLL(None)._exit(0)
threading.Thread(target=stay).start()
ctypes.CDLL(None).pthread_exit(None)";
        let mut child = std::process::Command::new("python3")
            .args(["-c", SCRIPT])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("python3 is missing: apt-get install -y python3");
        let is_headless = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
            stat.rsplit(')')
                .next()
                .is_some_and(|rest| rest.trim_start().starts_with('Z'))
        };
        while !is_headless() {
            std::thread::yield_now();
        }

        let seen = identify(child.id());
        drop(child.stdin.take());

        assert!(seen.is_some());
        child.wait().unwrap();
    }
}
