//! The Secret Service, e.g. GNOME Keyring or KWallet, over D-Bus.
//!
//! The store is opened here and not through `keyring`'s process-wide default: that one remembers for ever that no
//! service was running when it was first asked (keyring 4.2).

use std::{collections::HashMap, sync::Arc};

use keyring_core::{Entry, Error, api::CredentialStoreApi};
use kit::{Secret, SecretsError};
use zbus_secret_service_keyring_store::Store;

/// The entries of one installation.
pub(super) struct Ring {
    service: String,
    store: Option<Arc<Store>>,
}

impl Ring {
    /// Connects to nothing yet.
    pub(super) fn new(service: String) -> Self {
        Self { service, store: None }
    }

    pub(super) fn get(&mut self, name: &str) -> Result<Option<Secret>, SecretsError> {
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

    /// After a failure of the service the next call connects anew.
    fn failed(&mut self, error: Error) -> SecretsError {
        if matches!(error, Error::NoStorageAccess(_)) {
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
