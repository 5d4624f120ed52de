//! What the operating system is asked beyond the standard library: process trees, signals, listening sockets.
//!
//! The one crate that may hold `unsafe`. Each system has its siblings with equal signatures behind the one seam below;
//! what is the same everywhere stands beside it. Nothing here decides anything: it looks and it acts, once.
//!
//! A process is always named by [`Identity`], its number *and* the moment it started, because numbers are used again.

#![cfg_attr(
    any(target_os = "macos", windows),
    expect(unsafe_code, reason = "the system's own interfaces are foreign functions")
)]

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
mod process;
mod socket;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(target_os = "macos")]
use macos as platform;
#[cfg(windows)]
use windows as platform;

#[cfg(unix)]
pub use platform::peer_uid;
#[cfg(target_os = "linux")]
pub use platform::{Peer, look_at};
pub use platform::{
    Signals, adopt_orphans, boot_id, carries, children_of, effective_uid, end_with_parent, forbid_core_dumps,
    identify, is_of_own_user, is_program, isolate, listening, parent_pid, port_owner, processes, reap,
    reap_adopted, reap_any, release_memory, share_heaps, signal, slept, usage,
};
pub use process::{Caught, Identity, Process, Reaped, Signal, Usage, below};
pub use socket::Owner;
