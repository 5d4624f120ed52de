//! The passkeys' table in the database. Nothing in it lets anybody in: the secret halves never leave their devices.

use store::{
    Store, StoreError,
    rusqlite::{OptionalExtension, Row, params},
};

use super::Passkey;
use crate::clock::signed;

const STEPS: &[&str] = &["CREATE TABLE gateway_passkey (
    id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    name TEXT NOT NULL,
    credential BLOB NOT NULL UNIQUE,
    key BLOB NOT NULL,
    state BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    used_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE gateway_passkey_owner (handle BLOB NOT NULL)"];

pub(super) fn migrate(store: &Store) -> Result<(), StoreError> {
    store.migrate("gateway.passkey", STEPS)
}

/// The owner's handle, made once. Blocks.
pub(super) fn owner(store: &Store, fresh: impl FnOnce() -> [u8; 64]) -> Result<[u8; 64], StoreError> {
    let find = "SELECT handle FROM gateway_passkey_owner";
    let known = store.read_blocking(|db| db.query_row(find, [], |row| row.get(0)).optional())?;
    if let Some(handle) = known {
        return Ok(handle);
    }
    let handle = fresh();
    store.write_blocking(|db| {
        db.execute("DELETE FROM gateway_passkey_owner", [])?;
        db.execute("INSERT INTO gateway_passkey_owner (handle) VALUES (?1)", [handle])
    })?;
    Ok(handle)
}

pub(super) fn load(store: &Store) -> Result<Vec<Passkey>, StoreError> {
    store.read_blocking(|db| {
        let mut statement = db.prepare(
            "SELECT id, host, name, credential, key, state, created_ms, used_ms FROM gateway_passkey",
        )?;
        let rows = statement.query_map([], passkey)?;
        rows.collect()
    })
}

fn passkey(row: &Row<'_>) -> store::rusqlite::Result<Passkey> {
    let ms = |column: usize| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Passkey {
        id: row.get(0)?,
        host: row.get(1)?,
        name: row.get(2)?,
        credential: row.get(3)?,
        key: row.get(4)?,
        state: row.get(5)?,
        created_ms: ms(6)?,
        used_ms: ms(7)?,
    })
}

pub(super) async fn insert(store: &Store, passkey: Passkey) -> Result<(), StoreError> {
    store
        .write(move |db| {
            db.execute(
                "INSERT INTO gateway_passkey (id, host, name, credential, key, state, created_ms, used_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    passkey.id,
                    passkey.host,
                    passkey.name,
                    passkey.credential,
                    passkey.key,
                    passkey.state,
                    signed(passkey.created_ms),
                    signed(passkey.used_ms),
                ],
            )
        })
        .await?;
    Ok(())
}

/// Writes down what changed with a use.
pub(super) async fn used(store: &Store, passkey: Passkey) -> Result<(), StoreError> {
    store
        .write(move |db| {
            db.execute(
                "UPDATE gateway_passkey SET state = ?2, used_ms = ?3 WHERE id = ?1",
                params![passkey.id, passkey.state, signed(passkey.used_ms)],
            )
        })
        .await?;
    Ok(())
}

/// Deletes every other one.
pub(super) async fn keep_only(store: &Store, kept: Vec<String>) -> Result<(), StoreError> {
    store
        .write(move |db| {
            let mut statement = db.prepare("SELECT id FROM gateway_passkey")?;
            let known: Vec<String> = statement
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            for id in known.iter().filter(|id| !kept.contains(id)) {
                db.execute("DELETE FROM gateway_passkey WHERE id = ?1", [id])?;
            }
            Ok(())
        })
        .await
}
