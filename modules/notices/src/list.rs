//! What was told, kept over restarts.

use std::time::{Duration, SystemTime};

use kit::{Notice, time::rfc3339};
use serde_json::{Value, json};
use store::{Store, StoreError, rusqlite};
use tokio::sync::watch;

/// Rows kept; older ones are dropped.
const ROWS_MAX: u32 = 500;

/// Rows shown.
const SHOWN_MAX: u32 = 100;

/// One row per outage or event. `read_ms` is `NULL` while it is unread; `times` counts how often it was told.
const TABLES: &[&str] = &["CREATE TABLE notices (
        id INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        key TEXT NOT NULL,
        title TEXT NOT NULL,
        body TEXT NOT NULL,
        page TEXT NOT NULL,
        times INTEGER NOT NULL DEFAULT 1,
        read_ms INTEGER
    );
    CREATE INDEX notices_unread ON notices (key) WHERE read_ms IS NULL"];

/// One notice of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) at: SystemTime,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) page: String,
    pub(crate) times: u32,
    pub(crate) is_read: bool,
}

impl Row {
    /// For scripts.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "at": rfc3339(self.at),
            "title": self.title,
            "body": self.body,
            "page": self.page,
            "times": self.times,
            "read": self.is_read,
        })
    }
}

/// The list. Clones are the same one.
#[derive(Clone)]
pub(crate) struct List {
    store: Store,
    revision: watch::Sender<u64>,
}

impl List {
    pub(crate) fn new(store: Store) -> Result<Self, StoreError> {
        store.migrate("notices", TABLES)?;
        Ok(Self {
            store,
            revision: watch::Sender::new(0),
        })
    }

    /// Changes with every change of the list.
    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Adds a notice; one of the same key that is still unread is brought up to date instead.
    pub(crate) async fn add(&self, notice: &Notice, now: SystemTime) -> Result<(), StoreError> {
        let (key, title, body, page) = (
            notice.key.clone(),
            notice.title.clone(),
            notice.body.clone(),
            notice.page.clone(),
        );
        let at_ms = ms(now);
        self.store
            .write(move |db| {
                let known = db.execute(
                    "UPDATE notices SET at_ms = ?2, title = ?3, body = ?4, page = ?5, times = times + 1
                     WHERE key = ?1 AND read_ms IS NULL",
                    rusqlite::params![key, at_ms, title, body, page],
                )?;
                if known == 0 {
                    db.execute(
                        "INSERT INTO notices (key, at_ms, title, body, page) VALUES (?1, ?2, ?3, ?4, ?5)",
                        rusqlite::params![key, at_ms, title, body, page],
                    )?;
                    db.execute(
                        "DELETE FROM notices WHERE id <= ?1 - ?2",
                        rusqlite::params![db.last_insert_rowid(), ROWS_MAX],
                    )?;
                }
                Ok(())
            })
            .await?;
        self.changes();
        Ok(())
    }

    /// What was told under `key` need not be read any more.
    pub(crate) async fn settle(&self, key: &str) -> Result<(), StoreError> {
        let (key, now) = (key.to_owned(), ms(SystemTime::now()));
        let settled = self
            .store
            .write(move |db| {
                db.execute(
                    "UPDATE notices SET read_ms = ?2 WHERE key = ?1 AND read_ms IS NULL",
                    rusqlite::params![key, now],
                )
            })
            .await?;
        if settled > 0 {
            self.changes();
        }
        Ok(())
    }

    pub(crate) async fn read_all(&self, now: SystemTime) -> Result<(), StoreError> {
        let now = ms(now);
        self.store
            .write(move |db| db.execute("UPDATE notices SET read_ms = ?1 WHERE read_ms IS NULL", [now]))
            .await?;
        self.changes();
        Ok(())
    }

    pub(crate) async fn unread(&self) -> Result<u32, StoreError> {
        self.store
            .read(|db| {
                db.query_row("SELECT count(*) FROM notices WHERE read_ms IS NULL", [], |row| {
                    row.get(0)
                })
            })
            .await
    }

    /// Newest first.
    pub(crate) async fn newest(&self) -> Result<Vec<Row>, StoreError> {
        self.store
            .read(|db| {
                let mut rows = db.prepare(
                    "SELECT id, at_ms, title, body, page, times, read_ms IS NOT NULL
                     FROM notices ORDER BY at_ms DESC, id DESC LIMIT ?1",
                )?;
                let rows = rows.query_map([SHOWN_MAX], |row| {
                    Ok(Row {
                        id: row.get(0)?,
                        at: SystemTime::UNIX_EPOCH
                            + Duration::from_millis(row.get::<_, i64>(1)?.unsigned_abs()),
                        title: row.get(2)?,
                        body: row.get(3)?,
                        page: row.get(4)?,
                        times: row.get(5)?,
                        is_read: row.get(6)?,
                    })
                })?;
                rows.collect()
            })
            .await
    }

    fn changes(&self) {
        self.revision.send_modify(|revision| *revision += 1);
    }
}

fn ms(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use kit::NoticeKind;

    use super::*;

    fn notice(key: &str, title: &str) -> Notice {
        Notice {
            kind: NoticeKind::Server,
            key: key.to_owned(),
            title: title.to_owned(),
            body: "It ended.".to_owned(),
            page: "/dashboard".to_owned(),
            answers: Vec::new(),
            away: None,
        }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[tokio::test]
    async fn an_outage_is_one_row_until_it_was_read() {
        let list = List::new(Store::in_memory().unwrap()).unwrap();

        list.add(&notice("opencode", "down"), at(1)).await.unwrap();
        list.add(&notice("opencode", "back"), at(2)).await.unwrap();
        list.add(&notice("ask-per_1", "waits"), at(3)).await.unwrap();
        let before = list.newest().await.unwrap();
        list.settle("ask-per_1").await.unwrap();
        let unread = list.unread().await.unwrap();
        list.read_all(at(4)).await.unwrap();
        list.add(&notice("opencode", "down again"), at(5)).await.unwrap();

        let told: Vec<_> = before.iter().map(|row| (row.title.as_str(), row.times)).collect();
        assert_eq!(told, [("waits", 1), ("back", 2)]);
        assert_eq!(unread, 1);
        let after: Vec<_> = list.newest().await.unwrap();
        let after: Vec<_> = after
            .iter()
            .map(|row| (row.title.as_str(), row.is_read))
            .collect();
        assert_eq!(after, [("down again", false), ("waits", true), ("back", true)]);
    }

    #[tokio::test]
    async fn the_list_is_bounded() {
        let list = List::new(Store::in_memory().unwrap()).unwrap();
        for number in 0..u64::from(ROWS_MAX) + 10 {
            list.add(&notice(&format!("k{number}"), "t"), at(number))
                .await
                .unwrap();
        }

        assert_eq!(list.unread().await.unwrap(), ROWS_MAX);
        assert_eq!(list.newest().await.unwrap().len(), SHOWN_MAX as usize);
    }
}
