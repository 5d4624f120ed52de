//! What the chat itself remembers: drafts, pins, and which sends became which messages.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use store::{
    Store, StoreError,
    rusqlite::{OptionalExtension, params},
};

const STEPS: &[&str] = &[
    "CREATE TABLE chat_drafts (key TEXT PRIMARY KEY, text TEXT NOT NULL, updated INTEGER NOT NULL) STRICT;
     CREATE TABLE chat_pins (session TEXT PRIMARY KEY) STRICT;
     CREATE TABLE chat_sends (nonce TEXT PRIMARY KEY, session TEXT NOT NULL, message TEXT NOT NULL, at INTEGER NOT NULL) STRICT;",
];

/// Drafts that are kept; the oldest ones go first.
const DRAFTS_MAX: u32 = 200;

/// A longer draft is cut.
const DRAFT_BYTES_MAX: usize = 256 * 1024;
/// Drafts nobody came back to.
const DRAFT_AGE_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// A page that was away longer does not send the same words again.
const SEND_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The chat's tables.
#[derive(Clone)]
pub struct Notes(Store);

/// What a nonce stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The session it went to.
    pub session: String,
    /// The message it became.
    pub message: String,
    /// Whether somebody tried it before.
    pub is_repeat: bool,
}

impl Notes {
    /// Makes the tables. Blocks.
    pub fn open(store: Store) -> Result<Self, StoreError> {
        store.migrate("chat", STEPS)?;
        Ok(Self(store))
    }

    /// The draft for a session, or for `"new"`; empty when there is none.
    pub async fn draft(&self, key: &str) -> Result<String, StoreError> {
        let key = key.to_owned();
        self.0
            .read(move |db| {
                let mut query = db.prepare_cached("SELECT text FROM chat_drafts WHERE key = ?1")?;
                let found: Option<String> = query.query_row([key], |row| row.get(0)).optional()?;
                Ok(found.unwrap_or_default())
            })
            .await
    }

    /// Keeps a draft; an empty one is forgotten.
    pub async fn keep_draft(&self, key: &str, text: &str, now: SystemTime) -> Result<(), StoreError> {
        let key = key.to_owned();
        let mut end = text.len().min(DRAFT_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text[..end].to_owned();
        self.0
            .write(move |db| {
                db.execute(
                    "DELETE FROM chat_drafts WHERE updated < ?1",
                    [seconds(now) - whole(DRAFT_AGE_MAX)],
                )?;
                if text.is_empty() {
                    db.execute("DELETE FROM chat_drafts WHERE key = ?1", [key])?;
                } else {
                    db.execute(
                        "INSERT OR REPLACE INTO chat_drafts (key, text, updated) VALUES (?1, ?2, ?3)",
                        params![key, text, seconds(now)],
                    )?;
                    db.execute(
                        "DELETE FROM chat_drafts WHERE key NOT IN
                         (SELECT key FROM chat_drafts ORDER BY updated DESC, rowid DESC LIMIT ?1)",
                        [DRAFTS_MAX],
                    )?;
                }
                Ok(())
            })
            .await
    }

    /// The pinned sessions.
    pub async fn pins(&self) -> Result<BTreeSet<String>, StoreError> {
        self.0
            .read(|db| {
                let mut query = db.prepare_cached("SELECT session FROM chat_pins")?;
                query.query_map([], |row| row.get(0))?.collect()
            })
            .await
    }

    /// Pins or unpins a session.
    pub async fn pin(&self, session: &str, is_pinned: bool) -> Result<(), StoreError> {
        let session = session.to_owned();
        let change = if is_pinned {
            "INSERT OR IGNORE INTO chat_pins (session) VALUES (?1)"
        } else {
            "DELETE FROM chat_pins WHERE session = ?1"
        };
        self.0
            .write(move |db| db.execute(change, [session]).map(|_rows| ()))
            .await
    }

    /// The message the words under `nonce` become. Asked again with the same nonce, the first answer stands.
    pub async fn send(
        &self,
        nonce: &str,
        session: &str,
        message: &str,
        now: SystemTime,
    ) -> Result<Sent, StoreError> {
        let (nonce, session, message) = (nonce.to_owned(), session.to_owned(), message.to_owned());
        self.0
            .write(move |db| {
                db.execute(
                    "DELETE FROM chat_sends WHERE at < ?1",
                    [seconds(now) - whole(SEND_AGE_MAX)],
                )?;
                let made = db.execute(
                    "INSERT OR IGNORE INTO chat_sends (nonce, session, message, at) VALUES (?1, ?2, ?3, ?4)",
                    params![nonce, session, message, seconds(now)],
                )?;
                db.query_row(
                    "SELECT session, message FROM chat_sends WHERE nonce = ?1",
                    [nonce],
                    |row| {
                        Ok(Sent {
                            session: row.get(0)?,
                            message: row.get(1)?,
                            is_repeat: made == 0,
                        })
                    },
                )
            })
            .await
    }

    /// The session a nonce already began, if it did.
    pub async fn begun(&self, nonce: &str) -> Result<Option<String>, StoreError> {
        let nonce = nonce.to_owned();
        self.0
            .read(move |db| {
                db.query_row(
                    "SELECT session FROM chat_sends WHERE nonce = ?1",
                    [nonce],
                    |row| row.get(0),
                )
                .optional()
            })
            .await
    }
}

fn seconds(now: SystemTime) -> i64 {
    now.duration_since(SystemTime::UNIX_EPOCH)
        .map(whole)
        .unwrap_or_default()
}

fn whole(length: Duration) -> i64 {
    i64::try_from(length.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn drafts_survive_and_empty_ones_are_forgotten() {
        let notes = Notes::open(Store::in_memory().unwrap()).unwrap();
        let now = SystemTime::now();

        notes.keep_draft("ses_1", "half a thought", now).await.unwrap();
        assert_eq!(notes.draft("ses_1").await.unwrap(), "half a thought");
        notes.keep_draft("ses_1", "", now).await.unwrap();
        assert_eq!(notes.draft("ses_1").await.unwrap(), "");

        notes
            .keep_draft("old", "x", now - DRAFT_AGE_MAX * 2)
            .await
            .unwrap();
        notes.keep_draft("ses_2", "y", now).await.unwrap();
        assert_eq!(notes.draft("old").await.unwrap(), "");

        for number in 0..DRAFTS_MAX {
            notes
                .keep_draft(&format!("ses_more_{number}"), "z", now)
                .await
                .unwrap();
        }
        assert_eq!(notes.draft("ses_2").await.unwrap(), "");
        assert_eq!(notes.draft("ses_more_0").await.unwrap(), "z");
    }

    #[tokio::test]
    async fn the_same_words_become_one_message() {
        let notes = Notes::open(Store::in_memory().unwrap()).unwrap();
        let now = SystemTime::now();

        let first = notes.send("n1", "ses_1", "msg_1", now).await.unwrap();
        let again = notes.send("n1", "ses_1", "msg_2", now).await.unwrap();

        assert!(!first.is_repeat && again.is_repeat);
        assert_eq!(again.message, "msg_1");
        assert_eq!(notes.begun("n1").await.unwrap().as_deref(), Some("ses_1"));
        assert_eq!(notes.begun("n2").await.unwrap(), None);
    }

    #[tokio::test]
    async fn pins_are_kept() {
        let notes = Notes::open(Store::in_memory().unwrap()).unwrap();
        notes.pin("a", true).await.unwrap();
        notes.pin("b", true).await.unwrap();
        notes.pin("a", false).await.unwrap();
        assert_eq!(notes.pins().await.unwrap(), BTreeSet::from(["b".to_owned()]));
    }
}
