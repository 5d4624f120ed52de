//! The program's database: one SQLite file that every module keeps its own tables in.
//!
//! [`Store`] opens the file privately (mode 0600), in WAL mode, so that the command line can read it beside a running
//! agent. A file that SQLite cannot make sense of is moved aside and a fresh one begun: the program has to start, and
//! what is lost (sessions, history) can be made again. Access is never opened by that, because the password is in a
//! file of its own.
//!
//! A module declares its tables as numbered steps with [`Store::migrate`], each run exactly once, and names its tables
//! after itself. All work on the database happens on a blocking thread; nothing here waits on the async threads.

mod migrate;
mod open;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

pub use rusqlite;
use rusqlite::{Connection, Transaction, TransactionBehavior};

/// A handle to the database. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Mutex<Connection>>);

/// A file that could not be read and was moved aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Where it is now, e.g. `state.db.corrupt-20260101T100000Z`.
    pub kept: PathBuf,
}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be made, read or moved.
    #[error("could not use the database file {path}")]
    File {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Something else than a plain file stands where the database belongs, e.g. a link.
    #[error("{0} is not a plain file: move it away, the program makes its own")]
    NotAFile(PathBuf),
    /// SQLite refused.
    #[error("the database failed")]
    Sql(#[from] rusqlite::Error),
    /// The work on the database panicked.
    #[error("work on the database was cut short")]
    Cut,
}

impl Store {
    /// Opens the database at `path`, making it if there is none. Blocks; called once, before anything runs.
    ///
    /// A file that is no database, or a damaged one, is kept as `path.corrupt-<now>` and reported beside the fresh one.
    ///
    /// # Errors
    /// [`StoreError::File`] and [`StoreError::NotAFile`] when the place cannot be used; [`StoreError::Sql`] for
    /// anything else, e.g. a full disk.
    pub fn open(path: &Path, now: SystemTime) -> Result<(Self, Option<Quarantined>), StoreError> {
        let (connection, quarantined) = open::open(path, now)?;
        Ok((Self::over(connection), quarantined))
    }

    /// Opens the database at `path` for reading alone, beside an agent or without one. Blocks. A damaged file is left as
    /// it is.
    ///
    /// # Errors
    /// [`StoreError::Sql`], also when there is none.
    pub fn look(path: &Path) -> Result<Self, StoreError> {
        Ok(Self::over(open::look(path)?))
    }

    /// A database that is gone with the process, for tests and for a home that cannot be written to.
    ///
    /// # Errors
    /// [`StoreError::Sql`] when there is no memory.
    pub fn in_memory() -> Result<Self, StoreError> {
        Ok(Self::over(open::in_memory()?))
    }

    fn over(connection: Connection) -> Self {
        Self(Arc::new(Mutex::new(connection)))
    }

    /// Brings the tables of `owner` up to date: every step not run yet runs, in order, each in a transaction.
    ///
    /// Steps are only ever added at the end. Blocks; called once per module when it is built.
    ///
    /// # Errors
    /// [`StoreError::Sql`]; the steps before the failed one stay done.
    pub fn migrate(&self, owner: &'static str, steps: &[&str]) -> Result<(), StoreError> {
        migrate::run(&mut self.lock(), owner, steps)
    }

    /// Reads on a blocking thread.
    ///
    /// # Errors
    /// What `work` returns, or [`StoreError::Cut`] when it panicked.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        let reading = tokio::task::spawn_blocking(move || store.read_blocking(work));
        reading.await.unwrap_or(Err(StoreError::Cut))
    }

    /// Changes the database on a blocking thread, in one transaction that is rolled back when `work` fails.
    ///
    /// Dropping the future does not undo it.
    ///
    /// # Errors
    /// What `work` returns, or [`StoreError::Cut`] when it panicked.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        let writing = tokio::task::spawn_blocking(move || store.write_blocking(work));
        writing.await.unwrap_or(Err(StoreError::Cut))
    }

    /// [`read`](Self::read) on this thread.
    ///
    /// # Errors
    /// What `work` returns.
    pub fn read_blocking<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        Ok(work(&self.lock())?)
    }

    /// [`write`](Self::write) on this thread.
    ///
    /// # Errors
    /// What `work` returns.
    pub fn write_blocking<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        // Taking the write lock at once: a transaction that reads first and then writes could find it taken midway.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic inside drops the open transaction, which rolls it back: the connection is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
