//! The operating system's keyring.

use std::path::Path;

use kit::{Secret, SecretsError};

/// A handle on the keyring.
pub(super) struct Keyring;

impl Keyring {
    pub(super) fn new(_state: &Path) -> Self {
        Self
    }

    pub(super) async fn get(&self, _name: &str) -> Result<Option<Secret>, SecretsError> {
        std::future::ready(Err(SecretsError::Missing)).await
    }

    pub(super) async fn set(&self, _name: &str, _secret: Secret) -> Result<(), SecretsError> {
        std::future::ready(Err(SecretsError::Missing)).await
    }

    pub(super) async fn delete(&self, _name: &str) -> Result<(), SecretsError> {
        std::future::ready(Err(SecretsError::Missing)).await
    }

    pub(super) async fn names(&self) -> Result<Vec<String>, SecretsError> {
        std::future::ready(Err(SecretsError::Missing)).await
    }
}
