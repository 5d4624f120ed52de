//! Whether whoever asks was started by one of our children.
//!
//! opencode runs commands that a model chose, as the same user. This keeps such a command from simply asking the
//! agent for a ticket. It is no sandbox: the same user can also read the files.

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

/// Places the process `pid`.
#[cfg(target_os = "linux")]
pub fn place(pid: Option<i32>) -> Peer {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let Some(mut pid) = pid else {
        return Peer::Inside;
    };
    for _ in 0..DEPTH_MAX {
        if pid == own {
            return Peer::Inside;
        }
        if pid <= 1 {
            return Peer::Owner;
        }
        match parent(pid) {
            Some(up) => pid = up,
            None => return Peer::Inside,
        }
    }
    Peer::Inside
}

/// The fourth field of `/proc/PID/stat`; the second is in brackets and may hold anything (proc(5)).
#[cfg(target_os = "linux")]
fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Other systems do not tell the tree cheaply; the socket's folder is private there all the same.
#[cfg(not(target_os = "linux"))]
pub fn place(_pid: Option<i32>) -> Peer {
    Peer::Owner
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_inside_and_our_parent_is_not() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();

        let of_child = place(i32::try_from(child.id()).ok());
        let of_parent = place(parent(i32::try_from(std::process::id()).unwrap()));
        child.kill().unwrap();
        child.wait().unwrap();

        assert_eq!((of_child, of_parent), (Peer::Inside, Peer::Owner));
    }
}
