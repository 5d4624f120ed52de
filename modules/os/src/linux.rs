//! Linux: everything about other processes is read from `/proc` (proc(5)).

mod command;
mod diag;
mod executable;
mod own;
mod peer;
mod sockets;
mod table;
mod usage;
mod waiting;

pub use command::{end_with_parent, isolate};
pub use executable::is_program;
pub use own::{
    adopt_orphans, boot_id, effective_uid, forbid_core_dumps, parent_pid, release_memory, share_heaps,
};
pub use peer::{Peer, peer_uid};
pub use sockets::{is_of_own_user, listening, port_owner};
pub use table::{carries, children_of, identify, look_at, processes, signal};
pub use usage::{slept, usage};
pub use waiting::{Signals, reap, reap_adopted, reap_any};
