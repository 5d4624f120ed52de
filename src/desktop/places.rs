//! Where windows were, kept over restarts.

use kit::window::Place;
use store::{Store, StoreError, rusqlite};

/// Windows remembered at most.
const PLACES_MAX: u32 = 32;

/// Places by window name.
#[derive(Clone)]
pub(super) struct Places(Store);

impl Places {
    /// Prepares the table.
    pub(super) fn new(store: Store) -> Result<Self, StoreError> {
        let steps = ["CREATE TABLE windows_places (
            name TEXT PRIMARY KEY, x INTEGER, y INTEGER, width INTEGER NOT NULL, height INTEGER NOT NULL
        ) STRICT"];
        store.migrate("windows", &steps)?;
        Ok(Self(store))
    }

    /// Where the window was; a place that cannot be read is as good as none.
    pub(super) async fn of(&self, name: &str) -> Option<Place> {
        let name = name.to_owned();
        let read = self.0.read(move |connection| {
            connection.query_row(
                "SELECT x, y, width, height FROM windows_places WHERE name = ?1",
                [name],
                |row| {
                    Ok(Place {
                        x: row.get(0)?,
                        y: row.get(1)?,
                        width: row.get(2)?,
                        height: row.get(3)?,
                    })
                },
            )
        });
        read.await.ok()
    }

    /// Remembers where it was.
    pub(super) async fn keep(&self, name: String, place: Place) {
        let written = self.0.write(move |transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO windows_places (name, x, y, width, height) VALUES (?1, ?2, ?3, ?4, ?5)",
                rusqlite::params![name, place.x, place.y, place.width, place.height],
            )?;
            transaction.execute(
                "DELETE FROM windows_places WHERE rowid NOT IN
                    (SELECT rowid FROM windows_places ORDER BY rowid DESC LIMIT ?1)",
                [PLACES_MAX],
            )
        });
        if let Err(error) = written.await {
            tracing::warn!(%error, "a window's place could not be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_place_of_each_window_is_kept() {
        let places = Places::new(Store::in_memory().unwrap()).unwrap();
        let place = |x| Place {
            x,
            y: Some(2),
            width: 460,
            height: 720,
        };

        places.keep("chat".to_owned(), place(Some(1))).await;
        places.keep("chat".to_owned(), place(None)).await;
        for index in 0..40 {
            places.keep(format!("w{index}"), place(Some(index))).await;
        }
        places.keep("chat".to_owned(), place(None)).await;

        assert_eq!(places.of("chat").await, Some(place(None)));
        assert_eq!(places.of("w39").await, Some(place(Some(39))));
        assert_eq!(places.of("w0").await, None);
    }
}
