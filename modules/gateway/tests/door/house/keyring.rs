//! A keyring that can be locked.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use kit::{BoxFuture, Secret, Secrets, SecretsError};

/// See the module.
#[derive(Default)]
pub struct Keyring {
    held: Mutex<BTreeMap<String, Secret>>,
    is_locked: AtomicBool,
}

impl Keyring {
    /// Locks or unlocks it.
    pub fn lock(&self, is_locked: bool) {
        self.is_locked.store(is_locked, Ordering::Relaxed);
    }

    fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut BTreeMap<String, Secret>) -> T,
    ) -> BoxFuture<'_, Result<T, SecretsError>> {
        let answer = if self.is_locked.load(Ordering::Relaxed) {
            Err(SecretsError::Locked)
        } else {
            Ok(act(&mut self.held.lock().unwrap()))
        };
        Box::pin(std::future::ready(answer))
    }
}

impl Secrets for Keyring {
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Secret>, SecretsError>> {
        self.with(|held| held.get(name).cloned())
    }

    fn set<'a>(&'a self, name: &'a str, secret: Secret) -> BoxFuture<'a, Result<(), SecretsError>> {
        self.with(|held| drop(held.insert(name.to_owned(), secret)))
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), SecretsError>> {
        self.with(|held| drop(held.remove(name)))
    }

    fn names(&self) -> BoxFuture<'_, Result<Vec<String>, SecretsError>> {
        self.with(|held| held.keys().cloned().collect())
    }
}
