//! The password, as far as anything of it is kept: one PHC string in a private file of its own.
//!
//! The command line uses this without an agent. A file that cannot be read or understood closes the door: every
//! password is wrong then, in the same time as ever, until a new one is set at the machine.

mod passphrase;
mod phc;
mod policy;
mod watched;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kit::files;

pub use passphrase::{PASSPHRASE_BITS, passphrase};
use phc::Phc;
pub use policy::{CHARS_MAX, CHARS_MIN, Weak, check};
pub(crate) use watched::Watched;

/// The file's name in the configuration folder.
const FILE: &str = "credential";

/// A larger file is none of ours.
const FILE_BYTES_MAX: u64 = 1024;

/// The file that holds the password's hash.
#[derive(Debug, Clone)]
pub struct Credential {
    path: PathBuf,
    /// Held while the file is replaced, not while a hash is computed.
    writing: Arc<Mutex<()>>,
}

/// What stands in the file.
#[derive(Debug)]
pub enum Stored {
    /// No password was ever set.
    Absent,
    /// A password is set.
    Set(Phc),
    /// Something is there and cannot be used.
    Broken,
}

/// Why a password was not set.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// It is too easy to guess. The text tells the person why.
    #[error(transparent)]
    Weak(#[from] Weak),
    /// It could not be written; the old one is still valid.
    #[error("the password could not be saved in {path}")]
    NotSaved {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Credential {
    /// The file in the configuration folder `config`. Touches no disk.
    pub fn at(config: &Path) -> Self {
        Self {
            path: config.join(FILE),
            writing: Arc::default(),
        }
    }

    /// Tells when the file may be another one.
    pub(crate) fn watched(&self) -> Watched {
        Watched::over(&self.path)
    }

    /// Whether a password is set, usable or not.
    pub fn is_set(&self) -> bool {
        !matches!(self.read(), Stored::Absent)
    }

    /// Reads the file. Blocks for one small read.
    pub fn read(&self) -> Stored {
        let found = match std::fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Stored::Absent,
            Err(_) => return Stored::Broken,
            Ok(found) => found,
        };
        if !found.is_file() || found.len() > FILE_BYTES_MAX {
            return Stored::Broken;
        }
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        Phc::parse(text.trim_end()).map_or(Stored::Broken, Stored::Set)
    }

    /// Whether `password` is the one that is set. Blocks for about a tenth of a second, whatever the file holds: with
    /// no usable password the work is done on one nobody knows. A hash made with lesser costs than today's is
    /// replaced.
    pub fn verify(&self, password: &str) -> bool {
        match self.read() {
            Stored::Set(phc) if phc.is_as_costly_as_today() => phc.matches(password),
            Stored::Set(phc) => {
                let is_right = phc.matches(password);
                if is_right && let Err(error) = self.renew(&phc, password) {
                    tracing::warn!(%error, "the password's hash could not be renewed");
                }
                is_right
            }
            Stored::Absent | Stored::Broken => {
                Phc::of_nobody().matches(password);
                false
            }
        }
    }

    /// Sets a new password. Blocks like [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`SetError::Weak`] and [`SetError::NotSaved`]; the old one stays.
    pub fn set(&self, password: &str) -> Result<(), SetError> {
        check(password)?;
        self.write(password).map_err(|source| SetError::NotSaved {
            path: self.path.clone(),
            source,
        })
    }

    /// Replaces the hash of `password` with one of today's cost, unless the file has changed since `verified` was
    /// read: a new password that was set meanwhile stays.
    fn renew(&self, verified: &Phc, password: &str) -> io::Result<()> {
        let renewed = Phc::of(password);
        let _writing = self.writing();
        match self.read() {
            Stored::Set(now) if now == *verified => self.replace(&renewed),
            Stored::Set(_) | Stored::Absent | Stored::Broken => Ok(()),
        }
    }

    fn write(&self, password: &str) -> io::Result<()> {
        let phc = Phc::of(password);
        let _writing = self.writing();
        self.replace(&phc)
    }

    fn replace(&self, phc: &Phc) -> io::Result<()> {
        // No backup: the hash of a former password helps nobody but its guesser.
        files::write(&self.path, format!("{phc}\n").as_bytes())
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
