//! Whether whoever asks was started by one of our children.
//!
//! opencode runs commands that a model chose, as the same user. This keeps such a command from simply asking the
//! agent for a ticket. It is no sandbox: the same user can also read the files.
//!
//! A connection tells the number of the process that made it, which may have ended since: the number may mean nobody,
//! or by now somebody else. So the process itself is held (a pidfd of the connection's peer) and has to be alive both
//! before and after its place was looked up; then the number meant it all the while.

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A process outside the agent's tree.
    Owner,
    /// A process below the agent, or one that could not be placed.
    Inside,
}

/// Ancestors looked at before giving up.
#[cfg(target_os = "linux")]
const DEPTH_MAX: usize = 128;

/// Places the process at the other end of `socket`.
#[cfg(target_os = "linux")]
pub fn place(socket: std::os::fd::BorrowedFd<'_>) -> Peer {
    match os::Peer::of(socket) {
        Ok(peer) => place_held(peer.pid(), || peer.is_alive()),
        Err(_) => Peer::Inside,
    }
}

/// Places the process `pid`, of which `is_alive` tells whether the number still means it.
#[cfg(target_os = "linux")]
fn place_held(pid: u32, is_alive: impl Fn() -> bool) -> Peer {
    if !is_alive() {
        return Peer::Inside;
    }
    let placed = place_living(pid);
    if is_alive() { placed } else { Peer::Inside }
}

#[cfg(target_os = "linux")]
fn place_living(mut pid: u32) -> Peer {
    let own = std::process::id();
    let mut born = u64::MAX;
    for _ in 0..DEPTH_MAX {
        if pid == own {
            return Peer::Inside;
        }
        if pid <= 1 {
            return Peer::Owner;
        }
        match os::look_at(pid) {
            // Nobody is younger than their child: the number of an ancestor that ended meanwhile is not taken for it.
            Some(process) if process.identity.started <= born => {
                born = process.identity.started;
                pid = process.parent;
            }
            Some(_) | None => return Peer::Inside,
        }
    }
    Peer::Inside
}

/// Other systems do not tell the tree cheaply; the socket's folder is private there all the same.
#[cfg(all(unix, not(target_os = "linux")))]
pub fn place(_socket: std::os::fd::BorrowedFd<'_>) -> Peer {
    Peer::Owner
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_child_is_inside_and_our_parent_is_not() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();

        let of_child = place_living(child.id());
        let of_parent = place_living(os::parent_pid().unwrap());
        child.kill().unwrap();
        child.wait().unwrap();

        assert_eq!((of_child, of_parent), (Peer::Inside, Peer::Owner));
    }

    #[test]
    fn a_number_that_is_used_again_does_not_pass_as_the_owner() {
        // An owner's process has the number of one that asked and ended.
        let owner = os::parent_pid().unwrap();
        let looks = Cell::new(0);
        let ends_meanwhile = || {
            looks.set(looks.get() + 1);
            looks.get() == 1
        };

        assert_eq!(place_held(owner, || true), Peer::Owner);
        assert_eq!(place_held(owner, || false), Peer::Inside);
        assert_eq!(place_held(owner, ends_meanwhile), Peer::Inside);
    }
}
