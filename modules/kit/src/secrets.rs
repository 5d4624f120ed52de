//! Tokens and keys that must not be read by anyone else.

use std::fmt;

use zeroize::Zeroizing;

use crate::BoxFuture;

/// A secret text. Has no `Display`, is blank in `Debug`, and is overwritten when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over a secret.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// The keyring did not answer in time: it waits for its owner to unlock it.
    #[error("the keyring is locked: unlock it, then try again")]
    Locked,
    /// There is no keyring and nobody has agreed to a file.
    #[error(
        "no keyring was found: start one, or allow a file that only you can read with `nexus settings set secrets.file true`"
    )]
    Missing,
    /// The store answered with an error.
    #[error("the keyring failed: {0}")]
    Failed(String),
}

/// Where secrets are kept: the operating system's keyring, or a private file after consent.
///
/// No call takes longer than three seconds, whatever the keyring does.
pub trait Secrets: Send + Sync {
    /// Reads the secret `name`, e.g. `"tunnel-token"`; `None` when there is none.
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Secret>, SecretsError>>;
    /// Stores it, replacing what was there.
    fn set<'a>(&'a self, name: &'a str, secret: Secret) -> BoxFuture<'a, Result<(), SecretsError>>;
    /// Forgets it; nothing happens when there is none.
    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), SecretsError>>;
    /// Names of the stored secrets, sorted.
    fn names(&self) -> BoxFuture<'_, Result<Vec<String>, SecretsError>>;
}
