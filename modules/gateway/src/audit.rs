//! What was done to the ways in, by whom and from where, in lines that hold each other.
//!
//! Whoever does something of consequence says so as a `tracing` event of the target [`TARGET`], with a field `event`. The
//! log shows it like any other event; [`begin`] gives a layer that hears it too, whatever the log's level, and a
//! [`Recorder`] that keeps it in the database. Each line is kept with a hash over itself and the hash before
//! ([`chain`]), so that a line that is changed or taken out later is noticed by [`verify`].

mod chain;
mod flood;
mod hear;
pub(crate) mod page;
mod table;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use store::{Store, StoreError};
use tokio::sync::mpsc;
use tracing::{Level, Subscriber};
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

pub use chain::{Broken, Line, Told};
pub use hear::TARGET;
pub use table::{Whole, newest, read, verify};

use flood::Flood;
use hear::{Ears, Heard};

/// What a broken chain means to its owner.
pub fn damage(broken: &Broken) -> String {
    format!(
        "The audit log was changed by somebody: {broken}. Look who uses this account, set a new password, and compare with \
         an earlier export."
    )
}

/// Lines that wait to be kept; what finds no room is counted.
const WAITING_MAX: usize = 1024;
/// Lines kept in one go.
const BATCH: usize = 64;
/// How long after a failure the database is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// Takes down what the layer hears. See the module.
pub struct Recorder {
    heard: mpsc::Receiver<Heard>,
    lost: Arc<AtomicU64>,
    flood: Flood,
    /// Heard and not kept yet.
    pending: Vec<Heard>,
    store: Store,
}

/// A layer for the process's subscriber, and what is heard by it, which waits for a [`Recorder`].
pub fn begin<S: Subscriber + for<'s> LookupSpan<'s>>() -> (impl Layer<S> + Send + Sync, Waiting) {
    let (said, heard) = mpsc::channel(WAITING_MAX);
    let lost = Arc::new(AtomicU64::new(0));
    let ears =
        Ears::new(said, Arc::clone(&lost)).with_filter(Targets::new().with_target(TARGET, Level::INFO));
    (ears, Waiting { heard, lost })
}

/// What was heard before there was a database to keep it in.
pub struct Waiting {
    heard: mpsc::Receiver<Heard>,
    lost: Arc<AtomicU64>,
}

impl Waiting {
    /// Whether there is anything to keep.
    pub fn has_heard(&self) -> bool {
        !self.heard.is_empty() || self.lost.load(Ordering::Relaxed) > 0
    }

    /// Begins to keep it in `store`. Blocks.
    ///
    /// # Errors
    /// When the database fails.
    pub fn record(self, store: Store) -> Result<Recorder, StoreError> {
        table::migrate(&store)?;
        Ok(Recorder {
            heard: self.heard,
            lost: self.lost,
            flood: Flood::default(),
            pending: Vec::new(),
            store,
        })
    }
}

impl Recorder {
    /// Keeps what is heard until nobody is left to say anything, or `stop` is cancelled; then what is there already.
    pub async fn run(mut self, stop: kit::CancellationToken) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                count = self.heard.recv_many(&mut batch, BATCH), if self.pending.is_empty() => {
                    if count == 0 {
                        break;
                    }
                }
                () = tokio::time::sleep(RETRY), if !self.pending.is_empty() => {}
                () = stop.cancelled() => break,
            }
            self.take(&mut batch);
            if let Err(error) = self.keep().await {
                tracing::warn!(%error, "what was done could not be kept in the audit log; it is tried again");
            }
        }
        self.finish().await;
    }

    /// Keeps what was heard so far, for a command that ends.
    pub async fn finish(mut self) {
        let mut batch = Vec::new();
        while let Ok(heard) = self.heard.try_recv() {
            batch.push(heard);
        }
        self.take(&mut batch);
        self.pending.extend(self.flood.rest(SystemTime::now()));
        if let Err(error) = self.keep().await {
            let count = self.pending.len();
            tracing::error!(%error, count, "what was done last is not in the audit log");
        }
    }

    /// Makes lines of what was heard, but for what comes in floods.
    fn take(&mut self, batch: &mut Vec<Heard>) {
        for heard in batch.drain(..) {
            self.pending.extend(self.flood.admit(heard));
        }
    }

    /// Writes down what is pending, and how much found no room; on failure all of it is pending still.
    async fn keep(&mut self) -> Result<(), StoreError> {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let mut lines = std::mem::take(&mut self.pending);
        if lost > 0 {
            lines.push(Heard::lost(lost, SystemTime::now()));
        }
        if lines.is_empty() {
            return Ok(());
        }
        let lines = Arc::new(lines);
        let kept = Arc::clone(&lines);
        let written = self.store.write(move |db| table::append(db, &kept)).await;
        if written.is_err() {
            self.lost.fetch_add(lost, Ordering::Relaxed);
            self.pending = Arc::try_unwrap(lines).unwrap_or_else(|shared| shared.to_vec());
            // The line about the lost ones is made anew when it is tried again.
            self.pending.truncate(self.pending.len() - usize::from(lost > 0));
        }
        written
    }
}
