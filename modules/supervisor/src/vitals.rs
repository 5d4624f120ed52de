//! Signs of life of a process tree.

use std::time::Duration;

/// Less time on processors than this between two looks is no work: one tick of the kernel's clock, which any timer of
/// an otherwise sleeping program costs.
const NOISE: Duration = Duration::from_millis(10);

/// What a child and its descendants have done so far. Compare two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vitals {
    /// Time on processors of all living processes of the tree.
    pub cpu: Duration,
    /// Bytes printed.
    pub printed: u64,
    /// What the program itself counts as progress; see [`Program::progress`](crate::Program::progress).
    pub progress: u64,
    /// The child itself was stopped by a signal.
    pub is_stopped: bool,
}

impl Vitals {
    /// Whether anything was done between `before` and now. Less time on processors than before means that a process
    /// of the tree has ended, which is something, too.
    pub(crate) fn moved_since(&self, before: Self) -> bool {
        self.cpu > before.cpu + NOISE
            || self.cpu < before.cpu
            || self.printed != before.printed
            || self.progress != before.progress
    }
}
