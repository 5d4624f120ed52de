//! The thread that puts lines into files.
//!
//! Whoever logs only hands a line over; cleaning, redacting and writing happen here, so that neither a full disk nor
//! a child that writes without end ever holds anybody up. What does not fit is counted, and the count is a line.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;

use crate::{
    Entry, Level,
    clean::clean_of,
    files::{Keep, Rotating},
    hidden::Hidden,
    queue::{Backlog, Line},
    redact::{HIDDEN, is_secret_name},
};

/// To disk at most, per second and source; a second's worth may come at once.
pub const BYTES_PER_S_MAX: u64 = 5_000_000;
/// Lines kept in memory for the cards of the dashboard.
const RECENT_LINES: usize = 400;
/// A disk that was full or gone is tried again this often.
const RETRY_EVERY: Duration = Duration::from_secs(5);
/// Lines written together at most.
const BATCH_LINES: usize = 512;

/// What the thread tells.
pub(crate) struct Told {
    pub recent: Mutex<VecDeque<Entry>>,
    pub revision: watch::Sender<u64>,
    /// Why nothing can be written, while that is so.
    pub trouble: watch::Sender<Option<String>>,
}

pub(crate) struct Writer {
    pub folder: PathBuf,
    pub lines: Receiver<Line>,
    pub backlog: Arc<Backlog>,
    pub keep: watch::Receiver<Keep>,
    pub told: Arc<Told>,
    pub hidden: Hidden,
}

/// One source as the thread sees it.
struct Output {
    file: Option<Rotating>,
    retry_at: Option<Instant>,
    allowance: Allowance,
    left_out: u64,
}

impl Writer {
    /// Runs until every sender is gone and everything is written.
    pub fn run(self) {
        let mut outputs: HashMap<&'static str, Output> = HashMap::new();
        loop {
            let first = match self.lines.recv_timeout(RETRY_EVERY) {
                Ok(line) => Some(line),
                // What was left out is said even if nothing more comes.
                Err(RecvTimeoutError::Timeout) if outputs.values().any(|output| output.left_out > 0) => None,
                Err(RecvTimeoutError::Timeout) => match self.lines.recv() {
                    Ok(line) => Some(line),
                    Err(_) => break,
                },
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut batch: Vec<Line> = first.into_iter().collect();
            batch.extend(self.lines.try_iter().take(BATCH_LINES));
            self.write(batch, &mut outputs, Instant::now(), SystemTime::now());
        }
        self.write(
            Vec::new(),
            &mut outputs,
            Instant::now() + RETRY_EVERY,
            SystemTime::now(),
        );
    }

    fn write(
        &self,
        batch: Vec<Line>,
        outputs: &mut HashMap<&'static str, Output>,
        now: Instant,
        today: SystemTime,
    ) {
        let mut entries: BTreeMap<&'static str, Vec<Entry>> = BTreeMap::new();
        for line in batch {
            self.backlog.taken(&line);
            let output = outputs.entry(line.source).or_insert_with(|| Output::new(now));
            if output.allowance.take(line.bytes(), now) {
                entries
                    .entry(line.source)
                    .or_default()
                    .push(stored(line, &self.hidden));
            } else {
                output.left_out += 1;
            }
        }
        for (source, dropped) in self.backlog.take_dropped() {
            outputs.entry(source).or_insert_with(|| Output::new(now)).left_out += dropped;
        }
        let keep = *self.keep.borrow();
        for (source, output) in outputs {
            let mut entries = entries.remove(source).unwrap_or_default();
            let said = entries.len() as u64;
            let told = output.say_left_out(source, &mut entries, now, today);
            if entries.is_empty() {
                continue;
            }
            let result = output.store(&self.folder, source, &entries, keep, now, today);
            if result.is_err() {
                output.left_out += said + told;
            }
            self.tell(result);
            self.remember(entries);
        }
    }

    fn tell(&self, result: io::Result<()>) {
        let trouble = result.err().map(|error| {
            format!(
                "Log lines cannot be written to {}: {error}. They are left out until that works again.",
                self.folder.display()
            )
        });
        self.told.trouble.send_if_modified(|held| {
            let is_new = *held != trouble;
            *held = trouble;
            is_new
        });
    }

    fn remember(&self, entries: Vec<Entry>) {
        let mut recent = self.told.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.extend(entries);
        let surplus = recent.len().saturating_sub(RECENT_LINES);
        recent.drain(..surplus);
        drop(recent);
        self.told.revision.send_modify(|revision| *revision += 1);
    }
}

impl Output {
    fn new(now: Instant) -> Self {
        Self {
            file: None,
            retry_at: None,
            allowance: Allowance::new(now),
            left_out: 0,
        }
    }

    fn say_left_out(
        &mut self,
        source: &str,
        entries: &mut Vec<Entry>,
        now: Instant,
        today: SystemTime,
    ) -> u64 {
        if self.left_out == 0 || self.retry_at.is_some_and(|at| now < at) || !self.allowance.take(100, now) {
            return 0;
        }
        let lines = std::mem::take(&mut self.left_out);
        entries.push(Entry {
            at: today,
            level: Level::Warn,
            source: source.to_owned(),
            target: "logs".to_owned(),
            text: format!("{lines} lines were left out: they came faster than they could be written"),
            fields: BTreeMap::from([("lines".to_owned(), lines.to_string())]),
        });
        lines
    }

    fn store(
        &mut self,
        folder: &Path,
        source: &str,
        entries: &[Entry],
        keep: Keep,
        now: Instant,
        today: SystemTime,
    ) -> io::Result<()> {
        if self.retry_at.is_some_and(|at| now < at) {
            return Err(io::Error::other("the last attempt failed"));
        }
        let result = self.try_store(folder, source, entries, keep, today);
        match &result {
            Ok(()) => self.retry_at = None,
            Err(_) => {
                self.file = None;
                self.retry_at = Some(now + RETRY_EVERY);
            }
        }
        result
    }

    fn try_store(
        &mut self,
        folder: &Path,
        source: &str,
        entries: &[Entry],
        keep: Keep,
        today: SystemTime,
    ) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(Rotating::open(folder, source, keep, today)?),
        };
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        file.write(&lines, keep, today)
    }
}

fn stored(line: Line, hidden: &Hidden) -> Entry {
    let clean = |text: &str| clean_of(text, hidden);
    let field = |(name, value): (String, String)| {
        let value = if is_secret_name(&name) {
            HIDDEN.to_owned()
        } else {
            clean(&value)
        };
        (clean(&name), value)
    };
    Entry {
        at: line.at,
        level: line.level,
        source: line.source.to_owned(),
        target: clean(&line.target),
        text: clean(&line.text),
        fields: line.fields.into_iter().map(field).collect(),
    }
}

/// How much a source may write: refilled steadily, never more than a second's worth.
struct Allowance {
    bytes: u64,
    at: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self {
            bytes: BYTES_PER_S_MAX,
            at: now,
        }
    }

    fn take(&mut self, bytes: u64, now: Instant) -> bool {
        let passed_ms = u64::try_from(now.saturating_duration_since(self.at).as_millis()).unwrap_or(u64::MAX);
        if passed_ms > 0 {
            let refill = passed_ms.saturating_mul(BYTES_PER_S_MAX / 1000);
            self.bytes = self.bytes.saturating_add(refill).min(BYTES_PER_S_MAX);
            self.at = now;
        }
        let is_allowed = self.bytes >= bytes;
        if is_allowed {
            self.bytes -= bytes;
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_may_write_a_seconds_worth_and_then_waits() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now);

        assert!(allowance.take(BYTES_PER_S_MAX, now));
        assert!(!allowance.take(1, now));
        assert!(!allowance.take(BYTES_PER_S_MAX, now + Duration::from_millis(999)));
        assert!(allowance.take(BYTES_PER_S_MAX, now + Duration::from_millis(1000)));
    }
}
