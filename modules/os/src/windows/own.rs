//! This process and its children to be.

use std::{
    collections::HashSet, fs::File, io, io::Read, mem, os::windows::process::CommandExt, path::Path,
    process::Command, time::Duration,
};

use windows_sys::Win32::{
    Foundation::FALSE,
    System::{
        JobObjects::{
            AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
            JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
        },
        SystemInformation::GetTickCount64,
        Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, GetCurrentProcess},
    },
};

use crate::{Caught, Reaped};

/// Boot times are told apart by this much: the clock is set now and then.
const BOOT_STEP_S: u64 = 60;

/// From now on every process started below this one ends with it, however it ends: this process puts itself into a job
/// whose last handle is its own.
///
/// # Errors
/// The system's.
pub fn adopt_orphans() -> io::Result<()> {
    let size =
        u32::try_from(mem::size_of::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>()).map_err(io::Error::other)?;
    // SAFETY: no name and no attributes are given; all zeroes is a valid value of the plain struct, whose size is given.
    // The handle is kept open on purpose: closing it would end this process.
    unsafe {
        let job = CreateJobObjectW(std::ptr::null(), std::ptr::null());
        if job.is_null() {
            return Err(io::Error::last_os_error());
        }
        let mut limits: JOBOBJECT_EXTENDED_LIMIT_INFORMATION = mem::zeroed();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        if SetInformationJobObject(
            job,
            JobObjectExtendedLimitInformation,
            (&raw const limits).cast(),
            size,
        ) == FALSE
            || AssignProcessToJobObject(job, GetCurrentProcess()) == FALSE
        {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Does nothing: crash reports are the system's and stay on the machine.
///
/// # Errors
/// None.
pub fn forbid_core_dumps() -> io::Result<()> {
    Ok(())
}

/// Nothing to do: the system's allocator shares its memory among threads.
pub fn share_heaps() {}

/// Gives memory that was freed back to the system.
pub fn release_memory() {
    // The allocator of this system does it by itself.
}

/// Names this boot of the machine by its moment, to the minute.
///
/// # Errors
/// When the clock stands before 1970.
pub fn boot_id() -> io::Result<String> {
    // SAFETY: takes nothing and cannot fail.
    let up = Duration::from_millis(unsafe { GetTickCount64() });
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_err(io::Error::other)?;
    Ok((now.saturating_sub(up).as_secs() / BOOT_STEP_S).to_string())
}

/// Users have no numbers here.
pub fn effective_uid() -> u32 {
    0
}

/// The process that started this one.
pub fn parent_pid() -> Option<u32> {
    let own = std::process::id();
    super::processes()
        .ok()?
        .into_iter()
        .find(|process| process.identity.pid == own)
        .map(|process| process.parent)
}

/// Gives the child a group of its own and no console window.
pub fn isolate(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
}

/// Nothing to do: the job sees to it.
pub fn end_with_parent(_command: &mut Command) {}

/// Whether the file begins as programs do. Scripts are not started here.
///
/// # Errors
/// When it cannot be opened.
pub fn is_program(path: &Path) -> io::Result<bool> {
    let mut head = Vec::with_capacity(2);
    File::open(path)?.take(2).read_to_end(&mut head)?;
    Ok(head == b"MZ")
}

/// Exists for its siblings; there is no monitor here.
#[derive(Debug)]
pub struct Signals {
    _never: std::convert::Infallible,
}

impl Signals {
    /// Not on this system.
    ///
    /// # Errors
    /// Always.
    pub fn hold() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Cannot be called, as no value exists.
    pub fn wait_blocking(&self, _limit: Duration) -> Option<Caught> {
        None
    }
}

/// Children need not be waited for here.
pub fn reap_any() -> Option<Reaped> {
    None
}

/// Children need not be waited for here.
pub fn reap(_pid: u32) {}

/// Children need not be waited for here.
pub fn reap_adopted(_kept: &[u32], _seen: &mut HashSet<u32>) {}
