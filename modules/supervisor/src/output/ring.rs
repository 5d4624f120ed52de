//! The last output of a child, in memory.

use std::collections::VecDeque;

use super::{Stream, plain::plain};

/// How much text is kept.
const BYTES_MAX: usize = 1024 * 1024;

/// What a line costs beyond its text, so that a million empty lines stay bounded too.
const LINE_BYTES: usize = 32;

/// What of a child's output counts as its last words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Anything, when there are no errors.
    Everything,
    /// Errors only: what a server that worked has printed before says nothing about its end.
    Errors,
}

/// The newest lines, without colour codes, at most 1 MiB of them.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    lines: VecDeque<(Stream, Box<str>)>,
    bytes: usize,
    /// Lines ever pushed: marks where a run began.
    pushed: u64,
}

impl Ring {
    pub(crate) fn push(&mut self, stream: Stream, line: &str) {
        let line = plain(line).into_boxed_str();
        self.bytes += line.len() + LINE_BYTES;
        self.pushed += 1;
        self.lines.push_back((stream, line));
        while self.bytes > BYTES_MAX
            && let Some((_, oldest)) = self.lines.pop_front()
        {
            self.bytes -= oldest.len() + LINE_BYTES;
        }
    }

    /// The newest `count` lines, oldest first.
    pub(crate) fn tail(&self, count: usize) -> Vec<String> {
        let skipped = self.lines.len().saturating_sub(count);
        self.lines
            .iter()
            .skip(skipped)
            .map(|(_, line)| line.to_string())
            .collect()
    }

    /// A place to come back to with [`Ring::last_words`].
    pub(crate) fn mark(&self) -> u64 {
        self.pushed
    }

    /// The last non-empty lines since `mark`, of standard error if anything came there: what a child says before it
    /// dies. Empty when it said nothing that counts.
    pub(crate) fn last_words(&self, mark: u64, count: usize, heard: Heard) -> Vec<&str> {
        let fresh = usize::try_from(self.pushed - mark).unwrap_or(usize::MAX);
        let start = self.lines.len().saturating_sub(fresh);
        let said = |only: Option<Stream>| {
            let mut words: Vec<&str> = self
                .lines
                .iter()
                .skip(start)
                .rev()
                .filter(|(stream, line)| only.is_none_or(|only| *stream == only) && !line.trim().is_empty())
                .take(count)
                .map(|(_, line)| line.trim())
                .collect();
            words.reverse();
            words
        };
        let errors = said(Some(Stream::Error));
        match heard {
            Heard::Everything if errors.is_empty() => said(None),
            Heard::Everything | Heard::Errors => errors,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_stay_within_the_limit() {
        let mut ring = Ring::default();

        for number in 0..50_000 {
            ring.push(Stream::Out, &format!("line {number} {}", "x".repeat(100)));
        }

        assert!(ring.bytes <= BYTES_MAX);
        assert!(ring.lines.len() > 5_000);
        assert!(ring.tail(1)[0].starts_with("line 49999 "));
        assert!(ring.tail(2)[0].starts_with("line 49998 "));
    }

    #[test]
    fn empty_lines_are_bounded_too() {
        let mut ring = Ring::default();

        for _ in 0..100_000 {
            ring.push(Stream::Out, "");
        }

        assert!(ring.lines.len() <= BYTES_MAX / LINE_BYTES);
    }

    #[test]
    fn last_words_are_those_of_this_run_and_errors_come_first() {
        let mut ring = Ring::default();
        ring.push(Stream::Error, "old trouble");
        let mark = ring.mark();
        assert_eq!(ring.last_words(mark, 3, Heard::Everything), Vec::<&str>::new());

        ring.push(Stream::Out, "starting");
        assert_eq!(ring.last_words(mark, 3, Heard::Everything), ["starting"]);

        ring.push(Stream::Error, "\u{1b}[91mError:\u{1b}[0m Unexpected error");
        ring.push(Stream::Error, "");
        ring.push(Stream::Error, "ServeError");
        ring.push(Stream::Out, "bye");
        assert_eq!(
            ring.last_words(mark, 3, Heard::Everything),
            ["Error: Unexpected error", "ServeError"]
        );
    }
}
