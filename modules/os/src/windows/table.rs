//! The process table.

use std::{io, mem};

use windows_sys::Win32::{
    Foundation::{CloseHandle, FALSE, FILETIME, HANDLE, INVALID_HANDLE_VALUE},
    System::{
        Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent},
        Diagnostics::ToolHelp::{
            CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
        },
        Threading::{
            GetExitCodeProcess, GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION,
            PROCESS_TERMINATE, TerminateProcess,
        },
    },
};

use crate::{Identity, Process, Signal};

/// `STILL_ACTIVE`, the exit code of a process that has none yet.
const STILL_ACTIVE: u32 = 259;

/// A handle that is closed when dropped.
pub(super) struct Handle(pub(super) HANDLE);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle was opened by this module and is closed once.
        unsafe {
            CloseHandle(self.0);
        }
    }
}

/// Every process of the machine that can be seen.
///
/// # Errors
/// The system's.
pub fn processes() -> io::Result<Vec<Process>> {
    Ok(entries()?
        .into_iter()
        .filter_map(|entry| {
            Some(Process {
                identity: identify(entry.th32ProcessID)?,
                parent: entry.th32ParentProcessID,
                session: 0,
                is_over: false,
            })
        })
        .collect())
}

fn entries() -> io::Result<Vec<PROCESSENTRY32W>> {
    // SAFETY: takes no pointers.
    let snapshot = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    if snapshot == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    let snapshot = Handle(snapshot);
    // SAFETY: all zeroes is a valid value of this plain struct.
    let mut entry: PROCESSENTRY32W = unsafe { mem::zeroed() };
    entry.dwSize = u32::try_from(mem::size_of::<PROCESSENTRY32W>()).map_err(io::Error::other)?;
    let mut found = Vec::new();
    // SAFETY: the snapshot is open and the entry says how big it is.
    let mut more = unsafe { Process32FirstW(snapshot.0, &raw mut entry) };
    while more != FALSE {
        found.push(entry);
        // SAFETY: as above.
        more = unsafe { Process32NextW(snapshot.0, &raw mut entry) };
    }
    Ok(found)
}

/// The process `pid` as it is now; `None` when there is none, it has ended, or it may not be looked at.
pub fn identify(pid: u32) -> Option<Identity> {
    let process = open(pid, PROCESS_QUERY_LIMITED_INFORMATION)?;
    let mut code = 0;
    let mut times = [FILETIME {
        dwLowDateTime: 0,
        dwHighDateTime: 0,
    }; 4];
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: the handle is open and all places are writable.
    let known = unsafe {
        GetExitCodeProcess(process.0, &raw mut code) != FALSE
            && GetProcessTimes(process.0, created, exited, kernel, user) != FALSE
    };
    let started = u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime);
    (known && code == STILL_ACTIVE).then_some(Identity { pid, started })
}

/// The direct children of `pid`.
pub fn children_of(pid: u32) -> Vec<u32> {
    entries()
        .unwrap_or_default()
        .into_iter()
        .filter(|entry| entry.th32ParentProcessID == pid)
        .map(|entry| entry.th32ProcessID)
        .collect()
}

/// Never told here: the environment of another process is not public. The job object needs no marker.
pub fn carries(_pid: u32, _name: &str, _value: &str) -> bool {
    false
}

/// Asks exactly the process `target` to end, or ends it; `false` when it is gone.
///
/// # Errors
/// When it belongs to another user.
pub fn signal(target: Identity, signal: Signal) -> io::Result<bool> {
    let Some(process) = open(target.pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_TERMINATE) else {
        return Ok(false);
    };
    // The handle holds on to whoever has the number now.
    if identify(target.pid) != Some(target) {
        return Ok(false);
    }
    // SAFETY: takes no pointers; the handle is open.
    let done = unsafe {
        match signal {
            // Reaches console programs started in a group of their own; others have to be ended.
            Signal::Terminate => GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, target.pid),
            Signal::Kill => TerminateProcess(process.0, 1),
        }
    };
    if done == FALSE && signal == Signal::Kill {
        return Err(io::Error::last_os_error());
    }
    Ok(true)
}

pub(super) fn open(pid: u32, access: u32) -> Option<Handle> {
    // SAFETY: takes no pointers.
    let process = unsafe { OpenProcess(access, FALSE, pid) };
    (!process.is_null()).then_some(Handle(process))
}

/// The program's file name.
pub(super) fn program_of(pid: u32) -> Option<String> {
    let entry = entries()
        .ok()?
        .into_iter()
        .find(|entry| entry.th32ProcessID == pid)?;
    let end = entry.szExeFile.iter().position(|&unit| unit == 0)?;
    Some(String::from_utf16_lossy(&entry.szExeFile[..end]))
}
