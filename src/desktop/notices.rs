//! Notices as the desktop's own bubbles.

#[cfg(target_os = "linux")]
#[path = "notices/linux.rs"]
mod os;
#[cfg(not(target_os = "linux"))]
#[path = "notices/other.rs"]
mod os;

pub(super) use os::Bubbles;
pub(crate) use os::name;
