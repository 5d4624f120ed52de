//! What differs between the windowing systems.

#[cfg(target_os = "linux")]
#[path = "platform/linux.rs"]
mod os;
#[cfg(not(target_os = "linux"))]
#[path = "platform/other.rs"]
mod os;

pub(crate) use os::{build, init, on_crash, tells_position};
