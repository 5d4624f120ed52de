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
pub(super) const LINES_MAX: i64 = 50_000;
/// So many go at a time.
pub(super) const ROOM: i64 = 5_000;

/// Under which name the database remembers that the tables were made.
const OWNER: &str = "gateway_audit";

const ALL: &str = "SELECT seq, line, hash FROM gateway_audit ORDER BY seq";

const STEPS: &[&str] = &[
    // `AUTOINCREMENT` remembers the highest number ever given: that the last lines are gone is seen, too.
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

impl Whole {
    /// Nothing was ever written.
    pub const NOTHING: Self = Self { lines: 0, former: 0 };
}

pub(super) fn migrate(store: &Store) -> Result<(), StoreError> {
    store.migrate(OWNER, STEPS)
}

pub(super) fn append(db: &Transaction<'_>, heard: &[Heard]) -> rusqlite::Result<()> {
    let (mut seq, mut hash) = end(db)?;
    for heard in heard {
        let line = Line::after(&hash, seq + 1, heard);
        db.prepare_cached("INSERT INTO gateway_audit (seq, line, hash) VALUES (?1, ?2, ?3)")?
            .execute((line.seq, &line.text, &line.hash))?;
        (seq, hash) = (line.seq, line.hash);
    }
    make_room(db, seq)
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

fn make_room(db: &Transaction<'_>, last: i64) -> rusqlite::Result<()> {
    let (first, _) = start(db)?;
    if last - first <= LINES_MAX {
        return Ok(());
    }
    let until = first + ROOM;
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

/// Every line, oldest first, one at a time. Before them comes what stood before the first one, a line without text.
/// Blocks, and sees the database as it is at one moment.
///
/// # Errors
/// When the database fails.
pub fn read(store: &Store, mut take: impl FnMut(Line) -> bool) -> Result<(), StoreError> {
    store.read_blocking(|db| {
        // Another process may write beside this one.
        let now = db.unchecked_transaction()?;
        let (seq, hash) = start(&now)?;
        let text = String::new();
        if !take(Line { seq, text, hash }) {
            return Ok(());
        }
        let mut statement = now.prepare(ALL)?;
        for line in statement.query_map([], line)? {
            if !take(line?) {
                break;
            }
        }
        Ok(())
    })
}

/// Checks every line. Blocks, and sees the database as it is at one moment.
///
/// # Errors
/// When the database fails; inside, the first line that is not as it was written.
pub fn verify(store: &Store) -> Result<Result<Whole, Broken>, StoreError> {
    store.read_blocking(|db| {
        let now = db.unchecked_transaction()?;
        if !is_there(&now)? {
            return Ok(match was_made(&now)? {
                true => Err(Broken::Missing(1)),
                false => Ok(Whole::NOTHING),
            });
        }
        let ((first, hash), last) = (start(&now)?, highest(&now)?);
        if !has_made_room(first, last) {
            return Ok(Err(Broken::Missing(1)));
        }
        let mut check = Check::after(first, hash);
        let mut lines = 0;
        let mut statement = now.prepare(ALL)?;
        for line in statement.query_map([], line)? {
            if let Err(broken) = check.next(&line?) {
                return Ok(Err(broken));
            }
            lines += 1;
        }
        Ok(check.end(last).map(|()| Whole { lines, former: first }))
    })
}

fn is_there(db: &Connection) -> rusqlite::Result<bool> {
    Ok(db.table_exists(None, "gateway_audit")? && db.table_exists(None, "gateway_audit_start")?)
}

/// Whether the tables were made once, there or not.
fn was_made(db: &Connection) -> rusqlite::Result<bool> {
    Ok(db.table_exists(None, "migrations")?
        && db.query_row(
            "SELECT EXISTS (SELECT 1 FROM migrations WHERE owner = ?1)",
            [OWNER],
            |row| row.get(0),
        )?)
}

/// Whether it was us who made room for what comes after the line `first`: that is done in steps, and late.
fn has_made_room(first: i64, last: i64) -> bool {
    first == 0 || (first % ROOM == 0 && last - first > LINES_MAX - ROOM)
}
