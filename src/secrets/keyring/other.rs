//! The keychain of macOS and the credential store of Windows.

use keyring::{Entry, Error};
use kit::{Secret, SecretsError};

/// Names cannot be listed there; they are kept in an entry of their own.
const NAMES: &str = "names";

/// The entries of one installation.
pub(super) struct Ring {
    service: String,
}

impl Ring {
    /// Connects to nothing yet.
    pub(super) fn new(service: String) -> Self {
        Self { service }
    }

    pub(super) fn get(&mut self, name: &str) -> Result<Option<Secret>, SecretsError> {
        match self.entry(name)?.get_password() {
            Ok(text) => Ok(Some(Secret::new(text))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    pub(super) fn set(&mut self, name: &str, secret: &Secret) -> Result<(), SecretsError> {
        let mut names = self.names()?;
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
            self.keep_names(&names)?;
        }
        self.entry(name)?
            .set_password(secret.expose())
            .map_err(|error| failed(&error))
    }

    pub(super) fn delete(&mut self, name: &str) -> Result<(), SecretsError> {
        match self.entry(name)?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => {}
            Err(error) => return Err(failed(&error)),
        }
        let mut names = self.names()?;
        names.retain(|known| known != name);
        self.keep_names(&names)
    }

    pub(super) fn names(&mut self) -> Result<Vec<String>, SecretsError> {
        match self.entry(NAMES)?.get_password() {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(Error::NoEntry) => Ok(Vec::new()),
            Err(error) => Err(failed(&error)),
        }
    }

    fn keep_names(&self, names: &[String]) -> Result<(), SecretsError> {
        let mut names = names.to_vec();
        names.sort();
        self.entry(NAMES)?
            .set_password(&names.join("\n"))
            .map_err(|error| failed(&error))
    }

    fn entry(&self, name: &str) -> Result<Entry, SecretsError> {
        Entry::new(&self.service, name).map_err(|error| failed(&error))
    }
}

fn failed(error: &Error) -> SecretsError {
    SecretsError::Failed(error.to_string())
}
