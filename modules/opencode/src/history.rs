//! The ends of the server that nobody wanted, kept over restarts of the agent.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use kit::time::rfc3339;
use serde_json::{Value, json};
use store::{Store, StoreError, rusqlite};
use supervisor::{End, Exit};

/// Rows kept; older ones are dropped.
const ROWS_MAX: u32 = 200;

/// One row per end: when (ms since the epoch), why, how, what it said, how long it had run and how long it was away (ms,
/// `NULL` while unknown).
const TABLES: &[&str] = &["CREATE TABLE opencode_ends (
        id INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        cause TEXT NOT NULL,
        exit_code INTEGER,
        signal INTEGER,
        output TEXT NOT NULL,
        ran_ms INTEGER,
        away_ms INTEGER
    )"];

/// Makes a text fit to be stored: without secrets.
pub type Clean = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// One end, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// When it ended.
    pub at: SystemTime,
    /// Why, one sentence.
    pub cause: String,
    /// How.
    pub exit: Exit,
    /// Its last lines, oldest first.
    pub last_output: Vec<String>,
    /// From its start to its end; `None` when nobody was there to see.
    pub ran_for: Option<Duration>,
    /// From its end until it was healthy again; `None` while it is not, or when the agent ended meanwhile.
    pub away_for: Option<Duration>,
}

impl Past {
    /// For scripts: `{"at","cause","exit_code","signal","last_output","ran_s","away_s"}`.
    pub fn to_json(&self) -> Value {
        let (code, signal) = numbers(self.exit);
        let seconds = |time: Option<Duration>| time.map(|time| (time.as_secs_f64() * 10.0).round() / 10.0);
        json!({
            "at": rfc3339(self.at),
            "cause": self.cause,
            "exit_code": code,
            "signal": signal,
            "last_output": self.last_output,
            "ran_s": seconds(self.ran_for),
            "away_s": seconds(self.away_for),
        })
    }
}

/// Reads and writes it.
pub(crate) struct History {
    store: Store,
    clean: Clean,
}

/// An end whose return is awaited.
#[derive(Debug)]
pub(crate) struct Open {
    row: i64,
    ended: Instant,
}

impl History {
    /// Makes its table if there is none.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn new(store: Store, clean: Clean) -> Result<Self, StoreError> {
        store.migrate("opencode", TABLES)?;
        Ok(Self { store, clean })
    }

    /// Writes down one end.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn add(&self, end: End) -> Result<Open, StoreError> {
        let ended = end.ended;
        let at_ms = ms(end.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
        let (code, signal) = numbers(end.exit);
        let cause = (self.clean)(&end.cause);
        let lines: Vec<String> = end.last_output.iter().map(|line| (self.clean)(line)).collect();
        let output = lines.join("\n");
        let ran_ms = end.ran_for.map(ms);
        let row = self
            .store
            .write(move |db| {
                db.execute(
                    "INSERT INTO opencode_ends (at_ms, cause, exit_code, signal, output, ran_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    rusqlite::params![at_ms, cause, code, signal, output, ran_ms],
                )?;
                let row = db.last_insert_rowid();
                db.execute(
                    "DELETE FROM opencode_ends WHERE id <= ?1 - ?2",
                    rusqlite::params![row, ROWS_MAX],
                )?;
                Ok(row)
            })
            .await?;
        Ok(Open { row, ended })
    }

    /// Notes that the server is back.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn close(&self, open: &Open, back: Instant) -> Result<(), StoreError> {
        let away_ms = ms(back.saturating_duration_since(open.ended));
        let row = open.row;
        self.store
            .write(move |db| {
                db.execute(
                    "UPDATE opencode_ends SET away_ms = ?2 WHERE id = ?1",
                    rusqlite::params![row, away_ms],
                )
            })
            .await?;
        Ok(())
    }

    /// The newest ends first, at most `count`.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn newest(&self, count: u32) -> Result<Vec<Past>, StoreError> {
        self.store
            .read(move |db| {
                let mut rows = db.prepare(
                    "SELECT at_ms, cause, exit_code, signal, output, ran_ms, away_ms
                     FROM opencode_ends ORDER BY id DESC LIMIT ?1",
                )?;
                let rows = rows.query_map([count.min(ROWS_MAX)], |row| {
                    let exit = match (row.get(2)?, row.get(3)?) {
                        (Some(code), _) => Exit::Code(code),
                        (None, Some(signal)) => Exit::Signal(signal),
                        (None, None) => Exit::Unknown,
                    };
                    let output: String = row.get(4)?;
                    Ok(Past {
                        at: SystemTime::UNIX_EPOCH + span(row.get(0)?),
                        cause: row.get(1)?,
                        exit,
                        last_output: output.lines().map(str::to_owned).collect(),
                        ran_for: row.get::<_, Option<i64>>(5)?.map(span),
                        away_for: row.get::<_, Option<i64>>(6)?.map(span),
                    })
                })?;
                rows.collect()
            })
            .await
    }
}

fn numbers(exit: Exit) -> (Option<i32>, Option<i32>) {
    match exit {
        Exit::Code(code) => (Some(code), None),
        Exit::Signal(signal) => (None, Some(signal)),
        Exit::Unknown => (None, None),
    }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn span(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(number: u64) -> End {
        End {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_261_600 + number),
            ended: Instant::now(),
            cause: format!("opencode ended with exit code {number}"),
            exit: Exit::Code(1),
            ran_for: Some(Duration::from_millis(1_500)),
            last_output: vec!["one".to_owned(), "password=hunter2".to_owned()],
        }
    }

    fn history() -> History {
        let clean: Clean = Arc::new(|text| text.replace("hunter2", "…"));
        History::new(Store::in_memory().unwrap(), clean).unwrap()
    }

    #[tokio::test]
    async fn an_end_is_kept_without_its_secrets_and_closed_by_the_return() {
        let history = history();

        let open = history.add(end(1)).await.unwrap();
        let before = history.newest(10).await.unwrap();
        history
            .close(&open, open.ended + Duration::from_millis(2_300))
            .await
            .unwrap();

        assert_eq!(before.len(), 1);
        assert_eq!(before[0].away_for, None);
        let after = history.newest(10).await.unwrap();
        assert_eq!(
            after[0].to_json(),
            json!({
                "at": "2026-01-01T10:00:01Z",
                "cause": "opencode ended with exit code 1",
                "exit_code": 1,
                "signal": null,
                "last_output": ["one", "password=…"],
                "ran_s": 1.5,
                "away_s": 2.3,
            })
        );
    }

    #[tokio::test]
    async fn the_history_is_bounded_and_begins_with_the_newest() {
        let history = history();
        for number in 0..u64::from(ROWS_MAX) + 5 {
            history.add(end(number)).await.unwrap();
        }

        let kept = history.newest(u32::MAX).await.unwrap();

        assert_eq!(kept.len(), ROWS_MAX as usize);
        assert_eq!(kept[0].cause, "opencode ended with exit code 204");
    }
}
