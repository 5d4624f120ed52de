//! Who listens where.

/// A process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its number; `None` when it belongs to another user, who need not tell.
    pub pid: Option<u32>,
    /// The program's name, e.g. `"python3"`.
    pub program: Option<String>,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.program, self.pid) {
            (Some(program), Some(pid)) => write!(text, "{program} (process {pid})"),
            (None, Some(pid)) => write!(text, "process {pid}"),
            (Some(program), None) => write!(text, "{program}"),
            (None, None) => write!(text, "a process of another user"),
        }
    }
}
