//! Where tokens and keys are kept: the keyring, or a private file once the owner has agreed to one.

mod file;
mod keyring;

use std::path::Path;

use kit::{Applies, BoxFuture, Field, Kind, Secret, Secrets, SecretsError, Section, Setting};
use serde::{Deserialize, Serialize};

use file::SecretsFile;
use keyring::Keyring;

/// `[secrets]` of the settings file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretsSettings {
    /// Consent to the file.
    pub file: bool,
}

impl Section for SecretsSettings {
    const ID: &'static str = "secrets";
    const FIELDS: &'static [Field] = &[Field {
        key: "file",
        label: "Keep secrets in a file",
        help: "Less safe: keeps tokens and keys in a file that only you can read, instead of the keyring.",
        kind: Kind::Switch,
        applies: Applies::Now,
    }];
}

/// The program's secrets.
pub struct Vault {
    settings: Setting<SecretsSettings>,
    file: SecretsFile,
    keyring: Keyring,
}

impl Vault {
    /// Secrets of the installation whose state folder is given. Touches neither disk nor keyring.
    pub fn new(state: &Path, settings: Setting<SecretsSettings>) -> Self {
        Self {
            settings,
            file: SecretsFile::new(state.join("secrets")),
            keyring: Keyring::new(state),
        }
    }

    /// The file is used only while the owner agrees; there is no silent way from one to the other.
    fn uses_file(&self) -> bool {
        self.settings.get().file
    }
}

impl Secrets for Vault {
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Secret>, SecretsError>> {
        Box::pin(async move {
            if self.uses_file() {
                return self.file.get(name);
            }
            self.keyring.get(name).await
        })
    }

    fn set<'a>(&'a self, name: &'a str, secret: Secret) -> BoxFuture<'a, Result<(), SecretsError>> {
        Box::pin(async move {
            if self.uses_file() {
                return self.file.set(name, &secret);
            }
            self.keyring.set(name, secret).await
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), SecretsError>> {
        Box::pin(async move {
            if self.uses_file() {
                return self.file.delete(name);
            }
            self.keyring.delete(name).await
        })
    }

    fn names(&self) -> BoxFuture<'_, Result<Vec<String>, SecretsError>> {
        Box::pin(async move {
            if self.uses_file() {
                return self.file.names();
            }
            self.keyring.names().await
        })
    }
}
