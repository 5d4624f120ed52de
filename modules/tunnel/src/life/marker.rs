//! A file that stands while remote access is on: a program that died with it on says so when it is back.

use std::{fs, path::PathBuf};

#[derive(Debug)]
pub(super) struct Marker(PathBuf);

impl Marker {
    /// In the folder of what lasts no longer than the login.
    pub(super) fn in_folder(run: &std::path::Path) -> Self {
        Self(run.join("remote-access-on"))
    }

    /// Whether the last program left it behind.
    pub(super) fn was_left(&self) -> bool {
        self.0.exists()
    }

    /// Notes that remote access is on, or off. A file that cannot be written costs a notice and nothing else.
    pub(super) fn note(&self, is_on: bool) {
        let noted = if is_on {
            fs::write(&self.0, b"")
        } else if self.0.exists() {
            fs::remove_file(&self.0)
        } else {
            Ok(())
        };
        if let Err(error) = noted {
            tracing::debug!(%error, "whether remote access is on could not be noted");
        }
    }
}
