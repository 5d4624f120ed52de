//! The devices that want to be told: one subscription a session, gone with it.

use serde::Deserialize;
use store::{Store, StoreError, rusqlite};

use super::seal::Recipient;

const STEPS: &[&str] = &["CREATE TABLE notices_device (
    session TEXT PRIMARY KEY,
    endpoint TEXT NOT NULL UNIQUE,
    point BLOB NOT NULL,
    auth BLOB NOT NULL,
    site TEXT NOT NULL,
    signer TEXT NOT NULL
) WITHOUT ROWID"];

/// Longest address of a push service; the known ones take a few hundred bytes.
const ENDPOINT_BYTES_MAX: usize = 1024;

/// Where a device is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    /// Its session.
    pub(crate) session: String,
    /// Its push service's address for it. Whoever knows it could tire its battery, so it stands in no log.
    pub(crate) endpoint: String,
    pub(crate) recipient: Recipient,
    /// Where it subscribed, e.g. `https://nexus.example.com`.
    pub(crate) site: String,
    /// The public key it subscribed with: it takes nothing that another one has signed.
    pub(crate) signer: String,
}

/// What a browser says of its subscription.
#[derive(Deserialize)]
pub(crate) struct Subscription {
    endpoint: String,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

impl Subscription {
    /// The device it is, when it could be told. Whether its service may be asked is not looked at.
    pub(crate) fn device(self, session: &str, site: &str, signer: &str) -> Option<Device> {
        let is_short = self.endpoint.len() <= ENDPOINT_BYTES_MAX;
        let recipient = Recipient::parse(&self.keys.p256dh, &self.keys.auth).filter(|_| is_short)?;
        Some(Device {
            session: session.to_owned(),
            endpoint: self.endpoint,
            recipient,
            site: site.to_owned(),
            signer: signer.to_owned(),
        })
    }
}

/// The table of them. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Devices(Store);

impl Devices {
    pub(crate) fn new(store: Store) -> Result<Self, StoreError> {
        store.migrate("notices.device", STEPS)?;
        Ok(Self(store))
    }

    /// Keeps a device in place of what its session, or its browser in another session, had said before.
    pub(crate) async fn keep(&self, device: Device) -> Result<(), StoreError> {
        self.0
            .write(move |db| {
                db.execute(
                    "INSERT OR REPLACE INTO notices_device (session, endpoint, point, auth, site, signer)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    rusqlite::params![
                        device.session,
                        device.endpoint,
                        device.recipient.point(),
                        device.recipient.auth(),
                        device.site,
                        device.signer
                    ],
                )
            })
            .await?;
        Ok(())
    }

    /// Forgets the device of a session; tells whether there was one.
    pub(crate) async fn forget(&self, session: &str) -> Result<bool, StoreError> {
        let session = session.to_owned();
        let gone = self
            .0
            .write(move |db| db.execute("DELETE FROM notices_device WHERE session = ?1", [session]))
            .await?;
        Ok(gone > 0)
    }

    /// Forgets the address of a device, which leads nowhere any more; another one that it has given since stays.
    pub(crate) async fn forget_endpoint(&self, endpoint: &str) -> Result<(), StoreError> {
        let endpoint = endpoint.to_owned();
        self.0
            .write(move |db| db.execute("DELETE FROM notices_device WHERE endpoint = ?1", [endpoint]))
            .await?;
        Ok(())
    }

    /// All of them. A row nobody can read is no device.
    pub(crate) async fn all(&self) -> Result<Vec<Device>, StoreError> {
        self.0
            .read(|db| {
                let mut rows =
                    db.prepare("SELECT session, endpoint, point, auth, site, signer FROM notices_device")?;
                let rows = rows.query_map([], |row| {
                    let recipient = Recipient::kept(row.get(2)?, row.get(3)?);
                    let (session, endpoint) = (row.get(0)?, row.get(1)?);
                    let (site, signer) = (row.get(4)?, row.get(5)?);
                    Ok(recipient.map(|recipient| Device {
                        session,
                        endpoint,
                        recipient,
                        site,
                        signer,
                    }))
                })?;
                rows.filter_map(Result::transpose).collect()
            })
            .await
    }
}
