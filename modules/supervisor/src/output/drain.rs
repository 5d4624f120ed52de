//! Emptying a child's pipe, always.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::Instant,
};

use super::{Sink, Stream, ring::Ring};
use crate::handle::Published;

/// Longer lines are cut.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// A pipe holds as much.
const READ_BYTES: usize = 64 * 1024;

/// What is kept and handed over; a child that writes more is read on, and its lines are counted.
const BYTES_PER_SECOND_MAX: u32 = 5_000_000;

/// Of every piece that is not handed over, so many of the last lines are still kept in memory.
const KEPT_OF_A_FLOOD: usize = 20;

/// How often a flood is reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Where the output of one child goes.
#[derive(Clone)]
pub(crate) struct Drain {
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) published: Arc<Published>,
    /// Shared by both streams.
    pub(crate) allowance: Arc<Mutex<Allowance>>,
}

/// How much may still be handed over: a bucket that refills with time.
#[derive(Debug)]
pub(crate) struct Allowance {
    bytes: u32,
    counted: Instant,
}

impl Allowance {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            bytes: BYTES_PER_SECOND_MAX,
            counted: now,
        }
    }

    fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let gained =
            now.duration_since(self.counted).as_micros() * u128::from(BYTES_PER_SECOND_MAX) / 1_000_000;
        if gained > 0 {
            self.counted = now;
            let full = u128::from(self.bytes) + gained;
            self.bytes =
                u32::try_from(full).map_or(BYTES_PER_SECOND_MAX, |full| full.min(BYTES_PER_SECOND_MAX));
        }
        let cost = u32::try_from(bytes).unwrap_or(u32::MAX);
        match self.bytes.checked_sub(cost) {
            Some(left) => {
                self.bytes = left;
                true
            }
            None => false,
        }
    }
}

/// What was not handed over since the last report.
struct Dropped {
    lines: u64,
    bytes: u64,
    reported: Instant,
}

impl Drain {
    /// Reads `pipe` to its end.
    pub(crate) async fn run(self, stream: Stream, mut pipe: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; READ_BYTES];
        let mut line = Line::default();
        let mut dropped = Dropped {
            lines: 0,
            bytes: 0,
            reported: Instant::now(),
        };
        loop {
            let length = match pipe.read(&mut buffer).await {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::debug!(%error, "the output of a child could not be read");
                    break;
                }
            };
            self.published.printed.fetch_add(length as u64, Ordering::Relaxed);
            self.piece(stream, &buffer[..length], &mut line, &mut dropped);
        }
        if !line.text.is_empty() {
            self.keep(stream, &[line.take()], true);
        }
        self.report(&mut dropped);
    }

    fn piece(&self, stream: Stream, piece: &[u8], line: &mut Line, dropped: &mut Dropped) {
        let now = Instant::now();
        let is_kept = self
            .allowance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(piece.len(), now);
        if is_kept {
            let lines = line.feed(piece);
            self.keep(stream, &lines, true);
        } else {
            // Only the end of the piece is looked at: at 100 MB/s, taking every line apart would cost a core.
            let start = start_of_last_lines(piece, KEPT_OF_A_FLOOD);
            dropped.lines += count_lines(piece);
            dropped.bytes += piece.len() as u64;
            line.skip_to(start > 0);
            let lines = line.feed(&piece[start..]);
            self.keep(stream, &lines, false);
        }
        if dropped.lines + dropped.bytes > 0 && now.duration_since(dropped.reported) >= REPORT_EVERY {
            self.report(dropped);
        }
    }

    fn keep(&self, stream: Stream, lines: &[String], is_handed_over: bool) {
        if is_handed_over {
            for line in lines {
                self.sink.line(stream, line);
            }
        }
        let mut ring: std::sync::MutexGuard<'_, Ring> =
            self.published.ring.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            ring.push(stream, line);
        }
    }

    fn report(&self, dropped: &mut Dropped) {
        if dropped.lines + dropped.bytes > 0 {
            self.sink.dropped(dropped.lines, dropped.bytes);
        }
        *dropped = Dropped {
            lines: 0,
            bytes: 0,
            reported: Instant::now(),
        };
    }
}

/// A line that is not complete yet.
#[derive(Default)]
struct Line {
    text: Vec<u8>,
    /// The rest of a line that was too long is passed over.
    is_cut: bool,
}

impl Line {
    /// The lines that are complete with `piece`.
    fn feed(&mut self, piece: &[u8]) -> Vec<String> {
        let mut lines = vec![];
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            self.append(&rest[..end]);
            lines.push(self.take());
            rest = &rest[end + 1..];
        }
        self.append(rest);
        lines
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX - self.text.len();
        self.is_cut |= bytes.len() > room;
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn take(&mut self) -> String {
        let text = self.text.strip_suffix(b"\r").unwrap_or(&self.text);
        let mut line = String::from_utf8_lossy(text).into_owned();
        if self.is_cut {
            line.push('…');
        }
        self.text.clear();
        self.is_cut = false;
        line
    }

    /// Forgets what was begun when what follows is not its continuation.
    fn skip_to(&mut self, is_elsewhere: bool) {
        if is_elsewhere {
            self.text.clear();
            self.is_cut = false;
        }
    }
}

fn count_lines(piece: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', piece).count() as u64
}

/// Where the last `count` lines of `piece` begin.
fn start_of_last_lines(piece: &[u8], count: usize) -> usize {
    memchr::memrchr_iter(b'\n', piece)
        .nth(count)
        .map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests;
