//! The lines in the database.

use store::{
    Store, StoreError,
    rusqlite::{self, Connection, OptionalExtension, Transaction},
};

use super::{
    chain::{BEGINNING, Broken, Check, Line},
    hear::Heard,
};

/// Lines kept; older ones make room.
const LINES_MAX: i64 = 50_000;
/// So many go at a time.
const ROOM: i64 = 5_000;

const STEPS: &[&str] = &[
    // `AUTOINCREMENT` remembers the highest number ever given: the last lines cannot go unnoticed either.
    "CREATE TABLE gateway_audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, line TEXT NOT NULL, hash TEXT NOT NULL);
     CREATE TABLE gateway_audit_start (seq INTEGER NOT NULL, hash TEXT NOT NULL)",
];

/// A chain that is as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// Lines in it.
    pub lines: i64,
    /// Lines before it that have made room.
    pub former: i64,
}

pub(super) fn migrate(store: &Store) -> Result<(), StoreError> {
    store.migrate("gateway_audit", STEPS)
}

pub(super) fn append(db: &Transaction<'_>, heard: &[Heard]) -> rusqlite::Result<()> {
    let (mut seq, mut hash) = end(db)?;
    for heard in heard {
        let line = Line::after(&hash, seq + 1, heard);
        db.prepare_cached("INSERT INTO gateway_audit (seq, line, hash) VALUES (?1, ?2, ?3)")?
            .execute((line.seq, &line.text, &line.hash))?;
        (seq, hash) = (line.seq, line.hash);
    }
    make_room(db, seq, LINES_MAX, ROOM)
}

/// Number and hash of the last line.
fn end(db: &Connection) -> rusqlite::Result<(i64, String)> {
    let last = "SELECT seq, hash FROM gateway_audit ORDER BY seq DESC LIMIT 1";
    let last = db
        .query_row(last, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match last {
        // Where the last lines are missing the numbers go on after them, so that the gap stays to be seen.
        Some((seq, hash)) => Ok((highest(db)?.max(seq), hash)),
        None => Ok((highest(db)?, start(db)?.1)),
    }
}

/// Number and hash of the line before the first one that is kept.
fn start(db: &Connection) -> rusqlite::Result<(i64, String)> {
    let start = db
        .query_row("SELECT seq, hash FROM gateway_audit_start", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok(start.unwrap_or((0, BEGINNING.to_owned())))
}

/// The highest number ever given.
fn highest(db: &Connection) -> rusqlite::Result<i64> {
    let highest = db
        .query_row(
            "SELECT seq FROM sqlite_sequence WHERE name = 'gateway_audit'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    Ok(highest.unwrap_or(0))
}

pub(super) fn make_room(db: &Transaction<'_>, last: i64, lines_max: i64, room: i64) -> rusqlite::Result<()> {
    let (first, _) = start(db)?;
    if last - first <= lines_max {
        return Ok(());
    }
    let until = first + room;
    let hash = db.query_row("SELECT hash FROM gateway_audit WHERE seq = ?1", [until], |row| {
        row.get::<_, String>(0)
    });
    // A chain that is broken there is left for its owner to see.
    let Some(hash) = hash.optional()? else {
        return Ok(());
    };
    db.execute("DELETE FROM gateway_audit WHERE seq <= ?1", [until])?;
    db.execute("DELETE FROM gateway_audit_start", [])?;
    db.execute(
        "INSERT INTO gateway_audit_start (seq, hash) VALUES (?1, ?2)",
        (until, hash),
    )?;
    Ok(())
}

fn line(row: &rusqlite::Row<'_>) -> rusqlite::Result<Line> {
    Ok(Line {
        seq: row.get(0)?,
        text: row.get(1)?,
        hash: row.get(2)?,
    })
}

/// The newest lines before the one numbered `before`, newest first. Blocks.
///
/// # Errors
/// When the database fails.
pub fn newest(store: &Store, before: Option<i64>, count: u32) -> Result<Vec<Line>, StoreError> {
    store.read_blocking(|db| {
        db.prepare("SELECT seq, line, hash FROM gateway_audit WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2")?
            .query_map((before.unwrap_or(i64::MAX), count), line)?
            .collect()
    })
}

/// Every line, oldest first, one at a time. Blocks.
///
/// # Errors
/// When the database fails.
pub fn read(store: &Store, mut take: impl FnMut(Line) -> bool) -> Result<(), StoreError> {
    store.read_blocking(|db| {
        let mut statement = db.prepare("SELECT seq, line, hash FROM gateway_audit ORDER BY seq")?;
        for line in statement.query_map([], line)? {
            if !take(line?) {
                break;
            }
        }
        Ok(())
    })
}

/// Checks every line. Blocks.
///
/// # Errors
/// When the database fails; inside, the first line that is not as it was written.
pub fn verify(store: &Store) -> Result<Result<Whole, Broken>, StoreError> {
    if !store.read_blocking(|db| db.table_exists(None, "gateway_audit"))? {
        // Nothing was ever written there.
        return Ok(Ok(Whole { lines: 0, former: 0 }));
    }
    let (first, hash) = store.read_blocking(start)?;
    let last = store.read_blocking(highest)?;
    let mut check = Check::after(first, hash);
    let mut found = Ok(());
    let mut lines = 0;
    read(store, |line| {
        lines += 1;
        found = check.next(&line);
        found.is_ok()
    })?;
    Ok(found
        .and_then(|()| check.end(last))
        .map(|()| Whole { lines, former: first }))
}
