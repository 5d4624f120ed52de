//! The output of a child: who takes it, and how much of it is kept.

pub(crate) mod drain;
mod plain;
pub(crate) mod ring;

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Error,
}

/// Takes a child's output line by line, as it was written (colour codes included), at most 5 MB/s.
///
/// Called from the task that drains the pipe: it must not block for long, or the child does too.
pub trait Sink: Send + Sync + 'static {
    /// One line without its end, cut at 64 KiB; bytes that are no UTF-8 are replaced.
    fn line(&self, stream: Stream, line: &str);

    /// So many lines were not handed over, because the child writes faster than is kept. Called at most once a second.
    fn dropped(&self, lines: u64, bytes: u64);
}

/// Drops everything: for children whose output nobody keeps.
#[derive(Debug, Clone, Copy)]
pub struct NoSink;

impl Sink for NoSink {
    fn line(&self, _stream: Stream, _line: &str) {}

    fn dropped(&self, _lines: u64, _bytes: u64) {}
}
