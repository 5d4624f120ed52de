//! The sessions' table in the database.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use kit::{CancellationToken, Listener};
use store::{
    Store, StoreError,
    rusqlite::{Row, params},
};

use super::{Kind, Session};
use crate::{
    allowance::Allowance,
    clock::{from_ms, signed, to_ms},
    token::Fingerprint,
};

const STEPS: &[&str] = &["CREATE TABLE gateway_session (
    fingerprint BLOB PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    listener TEXT NOT NULL,
    device TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    proved_ms INTEGER NOT NULL,
    used_ms INTEGER NOT NULL
) WITHOUT ROWID"];

pub(super) fn migrate(store: &Store) -> Result<(), StoreError> {
    store.migrate("gateway.session", STEPS)
}

pub(super) fn load(store: &Store) -> Result<Vec<(Fingerprint, Arc<Session>)>, StoreError> {
    store.read_blocking(|db| {
        let mut statement = db.prepare(
            "SELECT fingerprint, id, kind, listener, device, created_ms, proved_ms, used_ms FROM gateway_session",
        )?;
        let rows = statement.query_map([], session)?;
        // A row nobody can read is no session.
        rows.filter_map(Result::transpose).collect()
    })
}

fn session(row: &Row<'_>) -> store::rusqlite::Result<Option<(Fingerprint, Arc<Session>)>> {
    let fingerprint = Fingerprint::try_from(row.get::<_, Vec<u8>>(0)?);
    let kind = Kind::parse(&row.get::<_, String>(2)?);
    let word: String = row.get(3)?;
    let listener = [Listener::Local, Listener::Tunnel]
        .into_iter()
        .find(|listener| listener.as_str() == word);
    let (Ok(fingerprint), Some(kind), Some(listener)) = (fingerprint, kind, listener) else {
        return Ok(None);
    };
    let ms = |column: usize| row.get::<_, i64>(column).map(i64::unsigned_abs);
    let session = Session {
        id: row.get(1)?,
        kind,
        listener,
        device: row.get(4)?,
        created: from_ms(ms(5)?),
        proved_ms: AtomicU64::new(ms(6)?),
        used_ms: AtomicU64::new(ms(7)?),
        ended: CancellationToken::new(),
        streams: AtomicUsize::new(0),
        allowance: Allowance::default(),
    };
    Ok(Some((fingerprint, Arc::new(session))))
}

pub(super) async fn insert(
    store: &Store,
    fingerprint: Fingerprint,
    session: Arc<Session>,
) -> Result<(), StoreError> {
    store
        .write(move |db| {
            db.execute(
                "INSERT INTO gateway_session (fingerprint, id, kind, listener, device, created_ms, proved_ms, used_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    fingerprint.as_slice(),
                    session.id,
                    session.kind.as_str(),
                    session.listener.as_str(),
                    session.device,
                    signed(to_ms(session.created)),
                    signed(session.proved_ms.load(Ordering::Relaxed)),
                    signed(session.used_ms.load(Ordering::Relaxed)),
                ],
            )
        })
        .await?;
    Ok(())
}

pub(super) async fn delete(store: &Store, fingerprints: Vec<Fingerprint>) -> Result<(), StoreError> {
    store
        .write(move |db| {
            for fingerprint in &fingerprints {
                db.execute(
                    "DELETE FROM gateway_session WHERE fingerprint = ?1",
                    [fingerprint.as_slice()],
                )?;
            }
            Ok(())
        })
        .await
}

pub(super) async fn touch(store: &Store, sessions: Vec<Arc<Session>>) -> Result<(), StoreError> {
    store
        .write(move |db| {
            for session in &sessions {
                let used = signed(session.used_ms.load(Ordering::Relaxed));
                let proved = signed(session.proved_ms.load(Ordering::Relaxed));
                db.execute(
                    "UPDATE gateway_session SET used_ms = ?2, proved_ms = ?3 WHERE id = ?1",
                    params![session.id, used, proved],
                )?;
            }
            Ok(())
        })
        .await
}
