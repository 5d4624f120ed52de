//! Opening the file, or beginning a fresh one.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::{Quarantined, StoreError};

/// How long a writer waits for another process, e.g. the command line beside the agent.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// Pages kept in memory: 512 KiB serve a database of a few MiB; SQLite's own default is four times that.
const CACHE_KIB: i64 = 512;

/// The log is folded into the database at this size (pages of 4 KiB).
const WAL_PAGES: i64 = 256;

pub(crate) fn open(path: &Path, now: SystemTime) -> Result<(Connection, Option<Quarantined>), StoreError> {
    match open_checked(path) {
        Err(StoreError::Sql(error)) if is_damage(&error) => {
            let kept = quarantine(path, now)?;
            tracing::warn!(kept = %kept.display(), %error, "the database could not be read; a fresh one is begun");
            Ok((open_checked(path)?, Some(Quarantined { kept })))
        }
        Err(error) => Err(error),
        Ok(connection) => Ok((connection, None)),
    }
}

/// Opens a database that is there for reading alone.
pub(crate) fn look(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_MAX)?;
    Ok(connection)
}

pub(crate) fn in_memory() -> Result<Connection, StoreError> {
    let connection = Connection::open_in_memory()?;
    configure(&connection)?;
    Ok(connection)
}

fn open_checked(path: &Path) -> Result<Connection, StoreError> {
    make_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_MAX)?;
    // The first look at the content: a file that is no database is found out here.
    connection.pragma_update(None, "journal_mode", "wal")?;
    configure(&connection)?;
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        Ok(connection)
    } else {
        let damage = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        Err(rusqlite::Error::SqliteFailure(damage, Some(verdict)).into())
    }
}

fn configure(connection: &Connection) -> Result<(), rusqlite::Error> {
    // With WAL, `normal` loses at most the last commits in a power cut and never the file.
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    // What is deleted (sessions, drafts) is overwritten, not only unlinked.
    connection.pragma_update(None, "secure_delete", true)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}

/// Makes sure that a plain file of mode 0600 stands at `path`; SQLite gives its companions the same mode.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::File {
        path: path.to_owned(),
        source,
    };
    match create_new(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let found = std::fs::symlink_metadata(path).map_err(failed)?;
    if !found.is_file() {
        return Err(StoreError::NotAFile(path.to_owned()));
    }
    restrict(path, &found).map_err(failed)
}

#[cfg(unix)]
fn create_new(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)?;
    Ok(())
}

#[cfg(not(unix))]
fn create_new(path: &Path) -> io::Result<()> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?;
    Ok(())
}

#[cfg(unix)]
fn restrict(path: &Path, found: &std::fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if found.permissions().mode() & 0o777 == 0o600 {
        return Ok(());
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn restrict(_path: &Path, _found: &std::fs::Metadata) -> io::Result<()> {
    // Files inherit the privacy of the user's folder there.
    Ok(())
}

/// Moves the database and its companions aside; the companions must never be applied to the fresh file.
fn quarantine(path: &Path, now: SystemTime) -> Result<PathBuf, StoreError> {
    let stamp = jiff::Timestamp::try_from(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let ending = format!(".corrupt-{}", stamp.strftime("%Y%m%dT%H%M%SZ"));
    let failed = |source| StoreError::File {
        path: path.to_owned(),
        source,
    };
    for companion in ["-wal", "-shm"] {
        let from = with_ending(path, companion);
        match std::fs::rename(&from, with_ending(&from, &ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
    }
    let kept = with_ending(path, &ending);
    std::fs::rename(path, &kept).map_err(failed)?;
    Ok(kept)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
