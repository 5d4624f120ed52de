//! This process, its children to be, and files that may become one.

use std::{
    ffi::CStr,
    fs::File,
    io,
    io::Read,
    os::{
        fd::{AsRawFd, BorrowedFd},
        unix::process::CommandExt,
    },
    path::Path,
    process::Command,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, setsid};

/// Does nothing: launchd adopts every orphan of this system.
///
/// # Errors
/// None.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// No memory of this process reaches a core file.
///
/// # Errors
/// The kernel's.
pub fn forbid_core_dumps() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    let none = Rlimit {
        current: Some(0),
        maximum,
    };
    Ok(setrlimit(Resource::Core, none)?)
}

/// Nothing to do: the system's allocator shares its memory among threads.
pub fn share_heaps() {}

/// Gives memory that was freed back to the system.
pub fn release_memory() {
    // The allocator of this system does it under memory pressure by itself.
}

/// Names this boot of the machine; process numbers and start times mean nothing beyond it.
///
/// # Errors
/// The kernel's.
pub fn boot_id() -> io::Result<String> {
    const NAME: &CStr = c"kern.bootsessionuuid";
    let mut text = [0_u8; 64];
    let mut length = text.len();
    // SAFETY: the name is a C string, `length` says how much room `text` has, nothing is set.
    let failed = unsafe {
        libc::sysctlbyname(
            NAME.as_ptr(),
            text.as_mut_ptr().cast(),
            &raw mut length,
            std::ptr::null_mut(),
            0,
        )
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    let text = CStr::from_bytes_until_nul(&text).map_err(io::Error::other)?;
    Ok(text.to_string_lossy().into_owned())
}

/// The user this process acts as.
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The user at the other end of a connected socket.
///
/// # Errors
/// The system's.
pub fn peer_uid(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let (mut user, mut group) = (0, 0);
    // SAFETY: getpeereid(3) fills the two numbers it is given, which live here.
    match unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut user, &raw mut group) } {
        0 => Ok(user),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The process that started this one, or the one it was handed to.
pub fn parent_pid() -> Option<u32> {
    rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
}

/// Gives the child a session of its own, out of reach of our terminal, and no signal held.
pub fn isolate(command: &mut Command) {
    // SAFETY: only async-signal-safe calls (setsid, sigprocmask), no allocation, no locks.
    unsafe {
        command.pre_exec(|| {
            setsid()?;
            super::waiting::hear_every_signal()
        });
    }
}

/// Has the child hear every signal. It is not told of its parent's end: this system offers nothing of the kind.
pub fn end_with_parent(command: &mut Command) {
    // SAFETY: only async-signal-safe calls (sigprocmask), no allocation, no locks.
    unsafe {
        command.pre_exec(super::waiting::hear_every_signal);
    }
}

/// Whether the file begins as a script or a Mach-O program does. Asked beforehand because the C library hands a file that
/// the kernel refuses to a shell.
///
/// # Errors
/// When it cannot be opened.
pub fn is_program(path: &Path) -> io::Result<bool> {
    const MAGICS: [[u8; 4]; 4] = [
        [0xcf, 0xfa, 0xed, 0xfe],
        [0xce, 0xfa, 0xed, 0xfe],
        [0xca, 0xfe, 0xba, 0xbe],
        [0xca, 0xfe, 0xba, 0xbf],
    ];
    let mut head = Vec::with_capacity(4);
    File::open(path)?.take(4).read_to_end(&mut head)?;
    Ok(head.starts_with(b"#!") || MAGICS.iter().any(|magic| head == magic))
}
