//! Processes as values.

use std::collections::{HashMap, HashSet};

/// One process for good: the number alone is used again after it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// Its number.
    pub pid: u32,
    /// When it started, in the system's own unit (Linux: clock ticks since boot); compare, never compute.
    pub started: u64,
}

/// One line of the system's process table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Which one.
    pub identity: Identity,
    /// Its parent's number.
    pub parent: u32,
    /// Its session's number; 0 where the system has none.
    pub session: u32,
    /// It has ended and waits for its parent to notice.
    pub is_over: bool,
}

/// What one process has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Time on processors. Compare two readings; on macOS the unit is only close to the real one.
    pub cpu: std::time::Duration,
    /// Memory it holds, pages it shares with others included.
    pub resident_bytes: u64,
    /// It was stopped (SIGSTOP) and does nothing until it is told to go on. Never on Windows.
    pub is_stopped: bool,
}

/// What a process can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End, please; and go on first if stopped, since a stopped process hears nothing.
    Terminate,
    /// End.
    Kill,
}

/// How a child of ours ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaped {
    /// Its number.
    pub pid: u32,
    /// Its exit code, or `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// A signal that arrived here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caught {
    /// Asked to end, by another process.
    End,
    /// Asked to end by the terminal, which asked every process of its foreground group.
    EndByTerminal,
    /// A child ended.
    Child,
}

/// The living processes at and below `roots`, parents before their children.
pub fn below(processes: &[Process], roots: &[u32]) -> Vec<Identity> {
    let mut by_parent: HashMap<u32, Vec<&Process>> = HashMap::new();
    for process in processes {
        by_parent.entry(process.parent).or_default().push(process);
    }
    let mut found: Vec<&Process> = processes
        .iter()
        .filter(|process| roots.contains(&process.identity.pid))
        .collect();
    let mut seen: HashSet<u32> = found.iter().map(|process| process.identity.pid).collect();
    let mut next = 0;
    while let Some(process) = found.get(next) {
        next += 1;
        for child in by_parent.get(&process.identity.pid).into_iter().flatten() {
            if seen.insert(child.identity.pid) {
                found.push(child);
            }
        }
    }
    found
        .into_iter()
        .filter(|process| !process.is_over)
        .map(|process| process.identity)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, is_over: bool) -> Process {
        Process {
            identity: Identity {
                pid,
                started: u64::from(pid) * 10,
            },
            parent,
            session: 1,
            is_over,
        }
    }

    #[test]
    fn a_tree_reaches_through_ended_processes_and_loops() {
        let table = [
            process(1, 0, false),
            process(10, 1, false),
            process(11, 10, true),
            process(12, 11, false),
            process(13, 10, false),
            // Taken while pids were reused, a table can hold a loop.
            process(20, 21, false),
            process(21, 20, false),
        ];
        let pids =
            |roots: &[u32]| -> Vec<u32> { below(&table, roots).iter().map(|found| found.pid).collect() };

        assert_eq!(pids(&[10]), [10, 13, 12]);
        assert_eq!(pids(&[20]), [20, 21]);
        assert_eq!(pids(&[99]), Vec::<u32>::new());
        assert_eq!(pids(&[12, 10]), [10, 12, 13]);
    }
}
