//! How far a download is.

use std::fmt;

/// How far it is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// There already.
    pub done: u64,
    /// Of all.
    pub total: u64,
}

impl fmt::Display for Progress {
    /// E.g. `12.3 of 38.1 MB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: u64| format!("{}.{}", bytes / 1_000_000, bytes % 1_000_000 / 100_000);
        write!(f, "{} of {} MB", megabytes(self.done), megabytes(self.total))
    }
}
