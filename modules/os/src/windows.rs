//! Windows: one job object ends everything with the agent.

mod own;
mod sockets;
mod table;
mod usage;

pub use own::{
    Signals, adopt_orphans, boot_id, effective_uid, end_with_parent, forbid_core_dumps, is_program, isolate,
    parent_pid, reap, reap_adopted, reap_any, release_memory, share_heaps,
};
pub use sockets::{is_of_own_user, listening, port_owner};
pub use table::{carries, children_of, identify, processes, signal};
pub use usage::{slept, usage};
