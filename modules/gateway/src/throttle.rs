//! How often a password may be wrong.
//!
//! [`Ledger`] decides: it is told of every attempt before any hash is computed, counts it as a failure until it is
//! known to be right, and so cannot be outrun by attempts made at once. [`Throttle`] keeps the ledger's failures in the
//! database, because a lock that ends with a restart is none.

mod ledger;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use kit::Listener;
use store::{
    Store, StoreError,
    rusqlite::{Transaction, params},
};

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
    ledger: Arc<Mutex<Ledger>>,
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
            ledger: Arc::new(Mutex::new(Ledger::restored(rows))),
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
        let (admitted, mut changed) = {
            let mut ledger = self.ledger();
            (ledger.admit(&source, now), ledger.take_forgotten())
        };
        match admitted {
            Err(locked) => Ok(Err(locked)),
            Ok(()) => {
                changed.push(source.clone());
                self.save(changed).await?;
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
        self.save(vec![attempt.source]).await
    }

    /// The attempt was not judged at all (the hashing was too busy): it does not count.
    ///
    /// # Errors
    /// As [`right`](Self::right).
    pub async fn undone(&self, attempt: Attempt) -> Result<(), StoreError> {
        self.ledger().undo(&attempt.source);
        self.save(vec![attempt.source]).await
    }

    /// Makes the database say of `sources` what the ledger says when it is their turn: whoever writes last, writes
    /// the latest.
    async fn save(&self, sources: Vec<Source>) -> Result<(), StoreError> {
        let ledger = Arc::clone(&self.ledger);
        self.store
            .write(move |db| {
                for source in &sources {
                    let record = lock(&ledger).record(source);
                    write(db, source, record)?;
                }
                Ok(())
            })
            .await
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(db: &Transaction<'_>, source: &Source, record: Option<Record>) -> store::rusqlite::Result<usize> {
    let signed = |time: SystemTime| i64::try_from(to_ms(time)).unwrap_or(i64::MAX);
    match record {
        None => db.execute(
            "DELETE FROM gateway_throttle WHERE source = ?1",
            [source.as_str()],
        ),
        Some(record) => db.execute(
            "INSERT OR REPLACE INTO gateway_throttle (source, failures, first_ms, locked_until_ms, locks)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                source.as_str(),
                record.failures,
                signed(record.first),
                signed(record.locked_until),
                record.locks
            ],
        ),
    }
}

/// A wait in whole seconds, rounded up: the value of `Retry-After`.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn sources_that_make_room_leave_the_database_too() {
        let store = Store::in_memory().unwrap();
        let throttle = Throttle::open(store.clone(), Arc::new(Clock::system())).unwrap();

        for number in 0..u32::try_from(ledger::SOURCES_MAX).unwrap() + 50 {
            let address = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number));
            let admitted = throttle.admit(Listener::Tunnel, address).await.unwrap();
            assert!(admitted.is_ok());
        }

        let rows: u32 = store
            .read_blocking(|db| db.query_row("SELECT count(*) FROM gateway_throttle", [], |row| row.get(0)))
            .unwrap();
        assert_eq!(usize::try_from(rows).unwrap(), ledger::SOURCES_MAX);
    }
}
