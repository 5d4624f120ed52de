//! Where opencode is, and whether what lies there is it.

mod binary;
mod places;
mod version;

use std::path::{Path, PathBuf};

use crate::environment::Variables;

pub use binary::{Unusable, look};
pub(crate) use places::places;
pub use version::{FLOOR, Version, VersionError};
pub(crate) use version::{Seen, Versions};

/// Where opencode is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file to start.
    pub path: PathBuf,
    /// What it says of itself.
    pub version: Version,
}

/// Why there is nothing to start. Each text ends with what the person can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No place has it.
    #[error(
        "opencode was not found on the PATH of your login shell or in the usual places. Install it, e.g. with \
         `npm install -g opencode-ai`, or name the program with `nexus settings set opencode.path PATH`{0}"
    )]
    Nowhere(
        /// What was found and is not it, e.g. `". Not usable: /usr/bin/opencode is empty"`; may be empty.
        String,
    ),
    /// The file named in the settings cannot be used.
    #[error(
        "`opencode.path` names {path}, which {reason}. Correct it, or set it to \"\" to have opencode looked for"
    )]
    Named {
        /// As set.
        path: PathBuf,
        /// E.g. `"does not exist"`.
        reason: String,
    },
    /// It is there and does not say which version it is.
    #[error(
        "{path} {reason}. Install opencode anew, or name another with `nexus settings set opencode.path PATH`"
    )]
    Mute {
        /// The file.
        path: PathBuf,
        /// E.g. `"did not say its version within 20 s"`.
        reason: String,
    },
    /// It is too old to be trusted.
    #[error(
        "{path} is opencode {version}; {floor} is the oldest that is safe to run (older ones let web pages run commands). \
         Update it, e.g. with `opencode upgrade`",
        floor = FLOOR
    )]
    TooOld {
        /// The file.
        path: PathBuf,
        /// What it says of itself.
        version: Version,
    },
}

/// Finds a file to start: the one `named` in the settings, else the first usable one of the usual places. Looks at
/// files only; starts nothing.
///
/// # Errors
/// [`NotFound::Nowhere`] or [`NotFound::Named`].
pub(crate) fn candidate(named: &str, variables: &Variables) -> Result<PathBuf, NotFound> {
    let named = named.trim();
    if !named.is_empty() {
        let path = expand(named, variables);
        return look(&path).map_err(|unusable| NotFound::Named {
            reason: unusable.to_string(),
            path,
        });
    }
    let mut refused = Vec::new();
    for place in places(variables, &list) {
        match look(&place) {
            Ok(path) => return Ok(path),
            Err(Unusable::Missing) => {}
            Err(unusable) => refused.push(format!("{} {unusable}", place.display())),
        }
    }
    let remark = match refused.as_slice() {
        [] => String::new(),
        refused => format!(". Not usable: {}", refused.join("; ")),
    };
    Err(NotFound::Nowhere(remark))
}

/// `~/bin/opencode` as people write it.
fn expand(named: &str, variables: &Variables) -> PathBuf {
    let home = variables.get(std::ffi::OsStr::new("HOME"));
    match (named.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Path::new(home).join(rest),
        _ => PathBuf::from(named),
    }
}

/// Names in a folder, newest-looking last; empty when there is none.
fn list(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    found.sort();
    found
}
