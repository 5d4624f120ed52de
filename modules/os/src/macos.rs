//! macOS: the process table through libproc, sockets through lsof(8).
//!
//! There are no subreapers: an orphan goes to launchd. Whole trees are found by the marker in their environment, which
//! is told of processes of the same user.

mod own;
mod sockets;
mod table;
mod usage;
mod waiting;

pub use own::{
    adopt_orphans, boot_id, effective_uid, end_with_parent, forbid_core_dumps, is_program, isolate,
    parent_pid, peer_uid, release_memory, share_heaps,
};
pub use sockets::{is_of_own_user, listening, port_owner};
pub use table::{carries, children_of, identify, processes, signal};
pub use usage::{slept, usage};
pub use waiting::{Signals, reap, reap_adopted, reap_any};
