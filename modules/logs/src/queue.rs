//! Between whoever logs and the thread that writes: bounded in lines and in bytes, never waits.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::SystemTime,
};

use crate::Level;

/// Lines that wait at most.
const LINES_MAX: usize = 8192;
/// Bytes that wait at most.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A line as it was said, before it is cleaned.
pub(crate) struct Line {
    pub at: SystemTime,
    pub level: Level,
    pub source: &'static str,
    pub target: String,
    pub text: String,
    pub fields: BTreeMap<String, String>,
}

impl Line {
    pub fn bytes(&self) -> u64 {
        let fields = self.fields.iter().map(|(name, value)| name.len() + value.len());
        (self.target.len() + self.text.len() + fields.sum::<usize>() + 64) as u64
    }
}

/// How much waits, and how much found no room.
#[derive(Default)]
pub(crate) struct Backlog {
    bytes: AtomicU64,
    dropped: Mutex<HashMap<&'static str, u64>>,
}

impl Backlog {
    pub fn taken(&self, line: &Line) {
        self.bytes.fetch_sub(line.bytes(), Ordering::Relaxed);
    }

    pub fn take_dropped(&self) -> HashMap<&'static str, u64> {
        std::mem::take(&mut *self.dropped.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The way in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Queue {
    lines: SyncSender<Line>,
    backlog: Arc<Backlog>,
}

impl Queue {
    pub fn new() -> (Self, Receiver<Line>, Arc<Backlog>) {
        let (lines, receiver) = sync_channel(LINES_MAX);
        let backlog = Arc::new(Backlog::default());
        let queue = Self {
            lines,
            backlog: Arc::clone(&backlog),
        };
        (queue, receiver, backlog)
    }

    /// Hands a line over, or counts it when there is no room.
    pub fn push(&self, line: Line) {
        let (source, bytes) = (line.source, line.bytes());
        let waiting = self.backlog.bytes.fetch_add(bytes, Ordering::Relaxed);
        if waiting + bytes > BYTES_MAX || self.lines.try_send(line).is_err() {
            self.backlog.bytes.fetch_sub(bytes, Ordering::Relaxed);
            *self
                .backlog
                .dropped
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(source)
                .or_default() += 1;
        }
    }
}
