//! Secrets in a file, mode 0600. Used only after consent.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use kit::{Secret, SecretsError, files};

/// A JSON object of names and texts.
pub(super) struct SecretsFile {
    path: PathBuf,
    /// One change at a time.
    changing: Mutex<()>,
}

impl SecretsFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            changing: Mutex::new(()),
        }
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<Secret>, SecretsError> {
        Ok(self.read()?.remove(name).map(Secret::new))
    }

    pub(super) fn set(&self, name: &str, secret: &Secret) -> Result<(), SecretsError> {
        self.change(|held| {
            held.insert(name.to_owned(), secret.expose().to_owned());
        })
    }

    pub(super) fn delete(&self, name: &str) -> Result<(), SecretsError> {
        self.change(|held| {
            held.remove(name);
        })
    }

    pub(super) fn names(&self) -> Result<Vec<String>, SecretsError> {
        Ok(self.read()?.into_keys().collect())
    }

    fn read(&self) -> Result<BTreeMap<String, String>, SecretsError> {
        self.refuse_others()?;
        match std::fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| self.failed(&error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Whoever puts a link or a file of their own here would choose our secrets, or learn them.
    fn refuse_others(&self) -> Result<(), SecretsError> {
        let refused = |reason: &str| {
            let path = self.path.display();
            SecretsError::Failed(format!(
                "{path} {reason}: remove it, then store the secrets again"
            ))
        };
        match std::fs::symlink_metadata(&self.path) {
            Ok(found) if found.is_symlink() => Err(refused("is a link, which is not followed")),
            #[cfg(unix)]
            Ok(found) if std::os::unix::fs::MetadataExt::uid(&found) != os::effective_uid() => {
                Err(refused("belongs to another user"))
            }
            // What cannot be looked at cannot be read either, which is told then.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn change(&self, act: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<(), SecretsError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = self.read()?;
        act(&mut held);
        let bytes = serde_json::to_vec(&held).map_err(|error| self.failed(&error))?;
        files::replace(&self.path, &bytes).map_err(|error| self.failed(&error))?;
        // A copy of what was deleted must not stay behind.
        match std::fs::remove_file(self.path.with_added_extension("bak")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(&error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> SecretsError {
        SecretsError::Failed(format!("{}: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deleted_secret_is_in_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = SecretsFile::new(folder.path().join("secrets"));

        secrets
            .set("tunnel-token", &Secret::new("canary".to_owned()))
            .unwrap();
        let kept = secrets.get("tunnel-token").unwrap();
        secrets.delete("tunnel-token").unwrap();

        assert_eq!(kept, Some(Secret::new("canary".to_owned())));
        assert_eq!(secrets.names().unwrap(), Vec::<String>::new());
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            assert!(!text.contains("canary"), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");

        SecretsFile::new(path.clone())
            .set("a", &Secret::new("b".to_owned()))
            .unwrap();

        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
