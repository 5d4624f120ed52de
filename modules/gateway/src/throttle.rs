//! How often a password may be wrong.
//!
//! [`Ledger`] decides: it is told of every attempt before any hash is computed, counts it as a failure until it is
//! known to be right, and so cannot be outrun by attempts made at once. [`Throttle`] keeps the ledger's failures in the
//! database, because a lock that ends with a restart is none.

mod ledger;
mod outsiders;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use kit::Listener;
use store::{
    Store, StoreError,
    rusqlite::{OptionalExtension, Transaction, params},
};

use crate::clock::{Clock, from_ms, to_ms};
pub use ledger::{FAILURES_MAX, Ledger, Locked, Record, Source};
pub use outsiders::{Barred, FREE_MAX, IN_A_ROW_MAX, Outsiders};

const STEPS: &[&str] = &[
    "CREATE TABLE gateway_throttle (
        source TEXT PRIMARY KEY,
        failures INTEGER NOT NULL,
        first_ms INTEGER NOT NULL,
        locked_until_ms INTEGER NOT NULL,
        locks INTEGER NOT NULL
    ) WITHOUT ROWID",
    // One row: `wrong_ms` is a JSON array of times.
    "CREATE TABLE gateway_outsiders (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        in_a_row INTEGER NOT NULL,
        wrong_ms TEXT NOT NULL
    )",
];

/// See the module.
pub struct Throttle {
    store: Store,
    clock: Arc<Clock>,
    books: Arc<Mutex<Books>>,
}

/// Both accounts: of each source, and of all from outside together.
#[derive(Debug, Default)]
struct Books {
    ledger: Ledger,
    outsiders: Outsiders,
}

/// Why an attempt is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Try again after this.
    Later(Duration),
    /// Nobody may try from outside until the owner allows it at the machine.
    Off,
}

/// An attempt that was admitted. It counts as wrong unless it is told otherwise, dropped or not.
#[must_use]
pub struct Attempt {
    listener: Listener,
    source: Source,
    /// It was the one after which nobody may try from outside any more.
    pub(crate) is_last: bool,
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
        let outsiders = store.read_blocking(|db| {
            let row = "SELECT in_a_row, wrong_ms FROM gateway_outsiders WHERE id = 1";
            db.query_row(row, [], |row| {
                Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?))
            })
            .optional()
        })?;
        let (in_a_row, wrong) = outsiders.unwrap_or_default();
        let wrong: Vec<u64> = serde_json::from_str(&wrong).unwrap_or_default();
        Ok(Self {
            store,
            clock,
            books: Arc::new(Mutex::new(Books {
                ledger: Ledger::restored(rows),
                outsiders: Outsiders::restored(wrong.into_iter().map(from_ms), in_a_row),
            })),
        })
    }

    /// Admits an attempt, or says why not. Nothing costly has happened by then.
    ///
    /// The failure is in the database when this returns: a crash in between cannot be used to try again.
    ///
    /// # Errors
    /// When the database fails: the attempt is not made then.
    pub async fn admit(
        &self,
        listener: Listener,
        address: IpAddr,
    ) -> Result<Result<Attempt, Refused>, StoreError> {
        let source = Source::new(listener, address);
        let now = self.clock.now();
        let (admitted, mut changed) = {
            let mut books = self.books();
            let admitted = books.admit(listener, &source, now);
            (admitted, books.ledger.take_forgotten())
        };
        match admitted {
            Err(refused) => Ok(Err(refused)),
            Ok(is_last) => {
                changed.push(source.clone());
                self.save(listener, changed).await?;
                Ok(Ok(Attempt {
                    listener,
                    source,
                    is_last,
                }))
            }
        }
    }

    /// The password was right: the source starts afresh.
    ///
    /// # Errors
    /// When the database fails; after a restart the earlier failures count again.
    pub async fn right(&self, attempt: Attempt) -> Result<(), StoreError> {
        {
            let mut books = self.books();
            books.ledger.right(&attempt.source);
            if attempt.listener == Listener::Tunnel {
                books.outsiders.right();
            }
        }
        self.save(attempt.listener, vec![attempt.source]).await
    }

    /// The attempt was not judged at all (the hashing was too busy): it does not count.
    ///
    /// # Errors
    /// As [`right`](Self::right).
    pub async fn undone(&self, attempt: Attempt) -> Result<(), StoreError> {
        {
            let mut books = self.books();
            books.ledger.undo(&attempt.source);
            if attempt.listener == Listener::Tunnel {
                books.outsiders.undo();
            }
        }
        self.save(attempt.listener, vec![attempt.source]).await
    }

    /// The owner allows attempts again, from outside and from every address that was locked.
    ///
    /// # Errors
    /// When the database fails; they are allowed until the next restart then.
    pub async fn reopen(&self) -> Result<(), StoreError> {
        let forgiven = {
            let mut books = self.books();
            books.outsiders.reopen();
            books.ledger.forgive();
            books.ledger.take_forgotten()
        };
        self.save(Listener::Tunnel, forgiven).await
    }

    /// Makes the database say of `sources` what the books say when it is their turn: whoever writes last, writes the
    /// latest.
    async fn save(&self, listener: Listener, sources: Vec<Source>) -> Result<(), StoreError> {
        let books = Arc::clone(&self.books);
        self.store
            .write(move |db| {
                for source in &sources {
                    let record = lock(&books).ledger.record(source);
                    write(db, source, record)?;
                }
                if listener == Listener::Tunnel {
                    let outsiders = lock(&books).outsiders.clone();
                    write_outsiders(db, &outsiders)?;
                }
                Ok(())
            })
            .await
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }
}

impl Books {
    /// Whether the attempt was the last one for everybody outside.
    fn admit(&mut self, listener: Listener, source: &Source, now: SystemTime) -> Result<bool, Refused> {
        if listener == Listener::Local {
            return match self.ledger.admit(source, now) {
                Ok(()) => Ok(false),
                Err(Locked(left)) => Err(Refused::Later(left)),
            };
        }
        if self.outsiders.is_off() {
            return Err(Refused::Off);
        }
        // The source's own account first: whoever is locked takes nobody else's turn.
        self.ledger
            .admit(source, now)
            .map_err(|Locked(left)| Refused::Later(left))?;
        match self.outsiders.admit(now) {
            Ok(()) => Ok(self.outsiders.is_off()),
            Err(barred) => {
                self.ledger.undo(source);
                Err(match barred {
                    Barred::Wait(left) => Refused::Later(left),
                    Barred::Off => Refused::Off,
                })
            }
        }
    }
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_outsiders(db: &Transaction<'_>, outsiders: &Outsiders) -> store::rusqlite::Result<usize> {
    let (wrong, in_a_row) = outsiders.kept();
    let wrong: Vec<u64> = wrong.map(to_ms).collect();
    db.execute(
        "INSERT OR REPLACE INTO gateway_outsiders (id, in_a_row, wrong_ms) VALUES (1, ?1, ?2)",
        params![in_a_row, serde_json::json!(wrong).to_string()],
    )
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
            throttle.admit(Listener::Tunnel, address).await.unwrap().ok();
            throttle.books().outsiders.reopen();
        }

        let rows: u32 = store
            .read_blocking(|db| db.query_row("SELECT count(*) FROM gateway_throttle", [], |row| row.get(0)))
            .unwrap();
        assert_eq!(usize::try_from(rows).unwrap(), ledger::SOURCES_MAX);
    }
}
