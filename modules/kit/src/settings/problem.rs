//! What can be wrong with a setting, and with the file.

use std::{io, path::PathBuf};

use super::Fault;

/// Why a setting was not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The key is not in any section's table.
    #[error("there is no setting `{0}`: `nexus settings list` shows all of them")]
    UnknownKey(String),
    /// The value does not fit.
    #[error("`{key}` {expectation}")]
    BadValue {
        /// Full key, e.g. `opencode.port`.
        key: String,
        /// What it may be.
        expectation: String,
    },
    /// The values of a section do not fit together.
    #[error("{0}")]
    BadSection(String),
    /// Somebody has changed the file by hand, and it cannot be understood. Nothing was changed.
    #[error("the settings file was changed by hand and cannot be understood ({0}): mend that line first")]
    Damaged(Fault),
    /// The file could not be replaced; the new value holds until the agent ends.
    #[error("could not save {path}: the change holds until the agent ends")]
    NotSaved {
        /// The settings file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Something about the file the user should hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The file was no TOML; it was kept under another name and defaults are in force.
    Corrupt {
        /// What is wrong with it and where.
        fault: Fault,
        /// Where it is now; `None` when it could not be moved, and nothing is saved over it then.
        kept: Option<PathBuf>,
    },
    /// The file could not be read; defaults are in force and nothing is saved over it.
    Unreadable(String),
    /// One section holds a value that does not fit; its defaults are in force until it is mended.
    BadSection {
        /// Full key, or the section's name.
        key: String,
        /// What it may be.
        expectation: String,
    },
}

impl Problem {
    pub(super) fn is_about(&self, section: &str) -> bool {
        match self {
            Self::BadSection { key, .. } => key.split('.').next() == Some(section),
            Self::Corrupt { .. } | Self::Unreadable(_) => false,
        }
    }
}
