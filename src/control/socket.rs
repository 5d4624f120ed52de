//! Where the socket is and how it is opened, per platform.

#[cfg(unix)]
#[path = "socket/unix.rs"]
mod os;
#[cfg(windows)]
#[path = "socket/windows.rs"]
mod os;

pub(super) use os::{Listener, Stream, connect_blocking};
