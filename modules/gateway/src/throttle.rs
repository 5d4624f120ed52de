//! How often a password may be wrong.
//!
//! [`Ledger`] decides: it is told of every attempt before any hash is computed, counts it as a failure until it is
//! known to be right, and so cannot be outrun by attempts made at once. [`Throttle`] keeps the ledger's failures in the
//! database, because a lock that ends with a restart is none.

mod ledger;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use kit::Listener;
use store::{Store, StoreError, rusqlite::params};

use crate::clock::{Clock, from_ms, to_ms};
pub use ledger::{FAILURES_MAX, Ledger, Locked, Record, Source};

const STEPS: &[&str] = &["CREATE TABLE gateway_throttle (
    source TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    locked_until_ms INTEGER NOT NULL,
    locks INTEGER NOT NULL
) WITHOUT ROWID"];

/// See the module.
pub struct Throttle {
    store: Store,
    clock: Arc<Clock>,
    ledger: Mutex<Ledger>,
}

/// An attempt that was admitted. It counts as wrong unless it is told otherwise, dropped or not.
#[must_use]
pub struct Attempt {
    source: Source,
}

impl Throttle {
    /// Reads the failures of earlier runs. Blocks.
    ///
    /// # Errors
    /// When the database fails.
    pub fn open(store: Store, clock: Arc<Clock>) -> Result<Self, StoreError> {
        store.migrate("gateway.throttle", STEPS)?;
        let rows = store.read_blocking(|db| {
            let mut statement = db
                .prepare("SELECT source, failures, first_ms, locked_until_ms, locks FROM gateway_throttle")?;
            let rows = statement.query_map([], |row| {
                let time = |column| row.get::<_, i64>(column).map(|ms| from_ms(ms.unsigned_abs()));
                let record = Record {
                    failures: row.get(1)?,
                    first: time(2)?,
                    locked_until: time(3)?,
                    locks: row.get(4)?,
                };
                Ok((Source::from_stored(row.get(0)?), record))
            })?;
            rows.collect::<Result<Vec<_>, _>>()
        })?;
        Ok(Self {
            store,
            clock,
            ledger: Mutex::new(Ledger::restored(rows)),
        })
    }

    /// Admits an attempt, or says how long the source is locked. Nothing costly has happened by then.
    ///
    /// The failure is in the database when this returns: a crash in between cannot be used to try again.
    ///
    /// # Errors
    /// When the database fails: the attempt is not made then.
    pub async fn admit(
        &self,
        listener: Listener,
        address: IpAddr,
    ) -> Result<Result<Attempt, Locked>, StoreError> {
        let source = Source::new(listener, address);
        let now = self.clock.now();
        let admitted = self.ledger().admit(&source, now);
        match admitted {
            Err(locked) => Ok(Err(locked)),
            Ok(()) => {
                self.save(&source).await?;
                Ok(Ok(Attempt { source }))
            }
        }
    }

    /// The password was right: the source starts afresh.
    ///
    /// # Errors
    /// When the database fails; after a restart the earlier failures count again.
    pub async fn right(&self, attempt: Attempt) -> Result<(), StoreError> {
        self.ledger().right(&attempt.source);
        self.save(&attempt.source).await
    }

    /// The attempt was not judged at all (the hashing was too busy): it does not count.
    ///
    /// # Errors
    /// As [`right`](Self::right).
    pub async fn undone(&self, attempt: Attempt) -> Result<(), StoreError> {
        self.ledger().undo(&attempt.source);
        self.save(&attempt.source).await
    }

    async fn save(&self, source: &Source) -> Result<(), StoreError> {
        let record = self.ledger().record(source);
        let source = source.as_str().to_owned();
        let signed = |time: SystemTime| i64::try_from(to_ms(time)).unwrap_or(i64::MAX);
        self.store
            .write(move |db| match record {
                None => db.execute("DELETE FROM gateway_throttle WHERE source = ?1", [source]),
                Some(record) => db.execute(
                    "INSERT OR REPLACE INTO gateway_throttle (source, failures, first_ms, locked_until_ms, locks)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![source, record.failures, signed(record.first), signed(record.locked_until), record.locks],
                ),
            })
            .await?;
        Ok(())
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait in whole seconds, rounded up: the value of `Retry-After`.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}
