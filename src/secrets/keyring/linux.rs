//! The Secret Service, e.g. GNOME Keyring or KWallet, over D-Bus.
//!
//! The store is opened here and not through `keyring`'s process-wide default: that one remembers for ever that no
//! service was running when it was first asked (keyring 4.2).

use std::{collections::HashMap, sync::Arc};

use keyring_core::{Entry, Error, api::CredentialStoreApi};
use kit::{Secret, SecretsError};
use zbus::{
    blocking::{Connection, Proxy},
    zvariant::OwnedObjectPath,
};
use zbus_secret_service_keyring_store::Store;

/// Where the service is on the session's bus
/// (<https://specifications.freedesktop.org/secret-service-spec/0.2/>).
const SECRETS: &str = "org.freedesktop.secrets";
const SECRETS_PATH: &str = "/org/freedesktop/secrets";
const SECRETS_INTERFACE: &str = "org.freedesktop.Secret.Service";

/// The entries of one installation.
pub(super) struct Ring {
    service: String,
    store: Option<Arc<Store>>,
    /// Its owner was asked to unlock it, and did not.
    was_left_locked: bool,
}

impl Ring {
    /// Connects to nothing yet.
    pub(super) fn new(service: String) -> Self {
        Self {
            service,
            store: None,
            was_left_locked: false,
        }
    }

    pub(super) fn get(&mut self, name: &str) -> Result<Option<Secret>, SecretsError> {
        // The program reads by itself, again and again: its owner is asked once. What they do themselves with a secret
        // asks them anew.
        if self.was_left_locked && self.is_locked(name).unwrap_or(false) {
            return Err(SecretsError::Locked);
        }
        self.was_left_locked = false;
        let read = self.entry(name)?.get_password();
        match read {
            Ok(text) => Ok(Some(Secret::new(text))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    pub(super) fn set(&mut self, name: &str, secret: &Secret) -> Result<(), SecretsError> {
        let set = self.entry(name)?.set_password(secret.expose());
        set.map_err(|error| self.failed(error))
    }

    pub(super) fn delete(&mut self, name: &str) -> Result<(), SecretsError> {
        let deleted = self.entry(name)?.delete_credential();
        match deleted {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    pub(super) fn names(&mut self) -> Result<Vec<String>, SecretsError> {
        let ours = HashMap::from([("service", self.service.as_str())]);
        let found = match &self.store {
            Some(store) => store.search(&ours),
            None => {
                let store = open()?;
                let found = store.search(&ours);
                self.store = Some(store);
                found
            }
        };
        let entries = found.map_err(|error| self.failed(error))?;
        let mut names = Vec::new();
        for entry in entries {
            let attributes = entry.get_attributes().map_err(|error| self.failed(error))?;
            names.extend(attributes.get("username").cloned());
        }
        names.sort();
        Ok(names)
    }

    fn entry(&mut self, name: &str) -> Result<Entry, SecretsError> {
        let store = match &self.store {
            Some(store) => Arc::clone(store),
            None => Arc::clone(self.store.insert(open()?)),
        };
        let label = format!("OpenCode Nexus: {name}");
        store
            .build(
                &self.service,
                name,
                Some(&HashMap::from([("label", label.as_str())])),
            )
            .map_err(|error| self.failed(error))
    }

    /// Whether a secret is there and locked. Asks the service, and its owner nothing.
    fn is_locked(&self, name: &str) -> zbus::Result<bool> {
        let connection = Connection::session()?;
        let secrets = Proxy::new(&connection, SECRETS, SECRETS_PATH, SECRETS_INTERFACE)?;
        let ours = HashMap::from([("service", self.service.as_str()), ("username", name)]);
        let (unlocked, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            secrets.call("SearchItems", &(ours,))?;
        Ok(unlocked.is_empty() && !locked.is_empty())
    }

    /// After a failure of the service the next call connects anew.
    fn failed(&mut self, error: Error) -> SecretsError {
        if matches!(error, Error::NoStorageAccess(_)) {
            self.was_left_locked = true;
            return SecretsError::Locked;
        }
        self.store = None;
        SecretsError::Failed(error.to_string())
    }
}

fn open() -> Result<Arc<Store>, SecretsError> {
    Store::new().map_err(|error| {
        tracing::debug!(%error, "no keyring answered");
        SecretsError::Missing
    })
}
