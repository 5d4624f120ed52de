//! The second factor: beside the password, whoever logs in from outside gives a code of an authenticator app.
//!
//! The seed of the codes is in the keyring. That there is one, which recovery codes are left, and which code was used
//! last stands in a private file beside the password's: a lost database must not make the factor go away. While it is
//! on and the file or the keyring cannot be read, nobody logs in from outside.

mod code;
pub(crate) mod page;
mod recovery;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use kit::{Secret, Secrets, SecretsError, files};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::token::{self, Fingerprint};
pub(crate) use code::Seed;

/// The file's name in the configuration folder.
const FILE: &str = "second-factor";
/// A larger file is none of ours.
const FILE_BYTES_MAX: u64 = 16 * 1024;
/// The seed's name in the keyring.
const SECRET: &str = "totp";
/// How long a seed that was shown waits for its first code.
const OFFER_LIFE: Duration = Duration::from_secs(600);

/// See the module.
pub(crate) struct SecondFactor {
    path: PathBuf,
    secrets: Arc<dyn Secrets>,
    /// A seed that was shown and has not proved yet that an app knows it.
    offered: Mutex<Option<(Seed, Instant)>>,
    /// One change at a time, so that no code is used twice.
    changing: tokio::sync::Mutex<()>,
}

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// Of codes of the app: no code of this step of time or an earlier one is good any more.
    last_step: u64,
    /// Fingerprints of the recovery codes that are left, as hex digits.
    recovery: Vec<String>,
}

/// What stands in the file.
#[derive(Debug)]
enum Stored {
    Off,
    On(Kept),
    Broken,
}

/// Whether a code is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No.
    Off,
    /// Yes.
    On {
        /// Recovery codes that were not used yet.
        recovery_left: usize,
    },
    /// It was, but the file cannot be read: nobody logs in from outside.
    Broken,
}

/// Why the second factor was not changed, or cannot be asked for.
#[derive(Debug, thiserror::Error)]
pub enum SecondFactorError {
    /// The seed cannot be kept or read.
    #[error("the codes' secret: {0}")]
    Secrets(#[from] SecretsError),
    /// The file cannot be read or written.
    #[error("{path} cannot be used: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The keyring has no seed, or none that can be used.
    #[error(
        "the keyring holds no usable secret for the codes any more; switch the second factor off and on again"
    )]
    SeedLost,
    /// The first code does not fit the seed.
    #[error("that is not the code the app shows for this machine; look at its clock, and try the next code")]
    WrongCode,
    /// Too long ago, or never.
    #[error("no code is waited for; begin again")]
    NotOffered,
    /// There is nothing to make new recovery codes for.
    #[error("no second factor is set up")]
    Off,
}

/// The recovery codes that are left where a code is asked for and could be checked now; `None` where none is asked for.
/// For whoever looks without an agent.
///
/// # Errors
/// What keeps everybody from logging in from outside.
pub async fn look_at_second_factor(
    config: &Path,
    secrets: Arc<dyn Secrets>,
) -> Result<Option<usize>, SecondFactorError> {
    let factor = SecondFactor::new(config, secrets);
    let standing = factor.standing();
    factor.seed().await?;
    match standing {
        Standing::Off => Ok(None),
        Standing::On { recovery_left } => Ok(Some(recovery_left)),
        Standing::Broken => Err(factor.broken()),
    }
}

/// What an app needs, shown once.
pub struct Offer {
    /// For a picture: `otpauth://totp/…`.
    pub link: Secret,
    /// For typing.
    pub text: Secret,
}

impl SecondFactor {
    /// The one of the configuration folder `config`. Touches no disk.
    pub(crate) fn new(config: &Path, secrets: Arc<dyn Secrets>) -> Self {
        Self {
            path: config.join(FILE),
            secrets,
            offered: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// Whether a code is asked for. Blocks for one small read.
    pub(crate) fn standing(&self) -> Standing {
        match self.read() {
            Stored::Off => Standing::Off,
            Stored::On(kept) => Standing::On {
                recovery_left: kept.recovery.len(),
            },
            Stored::Broken => Standing::Broken,
        }
    }

    /// The seed that codes are checked against; `None` when none is asked for. Asked before the password is looked at, so
    /// that a keyring that cannot be read tells nobody whether the password was right.
    pub(crate) async fn seed(&self) -> Result<Option<Seed>, SecondFactorError> {
        match self.read() {
            Stored::Off => Ok(None),
            Stored::Broken => Err(self.broken()),
            Stored::On(_) => {
                let text = self
                    .secrets
                    .get(SECRET)
                    .await?
                    .ok_or(SecondFactorError::SeedLost)?;
                Seed::parse(text.expose())
                    .map(Some)
                    .ok_or(SecondFactorError::SeedLost)
            }
        }
    }

    /// Whether a code is right; it is used up then.
    pub(crate) async fn accept(
        &self,
        seed: &Seed,
        typed: &str,
        now: SystemTime,
    ) -> Result<bool, SecondFactorError> {
        let _changing = self.changing.lock().await;
        let Stored::On(mut kept) = self.read() else {
            // Switched off or broken while the password was looked at: whoever logs in tries again.
            return Ok(false);
        };
        let digits = digits(typed);
        if let Some(step) = seed.step_of(&digits, now) {
            if step <= kept.last_step {
                return Ok(false);
            }
            kept.last_step = step;
            self.write(&kept)?;
            return Ok(true);
        }
        let Some(used) = recovery::fingerprint(&digits).map(|print| token::hex(&print)) else {
            return Ok(false);
        };
        let before = kept.recovery.len();
        kept.recovery.retain(|left| *left != used);
        if kept.recovery.len() == before {
            return Ok(false);
        }
        self.write(&kept)?;
        tracing::info!(target: "audit", event = "recovery_code", left = kept.recovery.len(), "a recovery code was used");
        Ok(true)
    }

    /// A seed for an app; the former one stays in force until [`confirm`](Self::confirm). One that was offered lately is
    /// offered again: an app may know it already, and only its first code was mistyped.
    ///
    /// # Errors
    /// When the keyring could not keep it: said before somebody scans it.
    pub(crate) async fn offer(&self, account: &str, now: Instant) -> Result<Offer, SecondFactorError> {
        self.secrets.get(SECRET).await?;
        let seed = self.waiting(now).unwrap_or_else(|| {
            let seed = Seed::fresh(account);
            *self.offered.lock().unwrap_or_else(PoisonError::into_inner) = Some((seed.clone(), now));
            seed
        });
        Ok(Offer {
            link: seed.link(),
            text: seed.text(),
        })
    }

    /// What was offered, for showing it again after a wrong code.
    pub(crate) fn offered(&self, now: Instant) -> Option<Offer> {
        let seed = self.waiting(now)?;
        Some(Offer {
            link: seed.link(),
            text: seed.text(),
        })
    }

    /// Puts the offered seed in force when `typed` is a code of it, and gives the recovery codes, which are kept nowhere.
    /// To be waited for to its end: seed and file belong together.
    pub(crate) async fn confirm(
        &self,
        typed: &str,
        now: SystemTime,
        instant: Instant,
    ) -> Result<Vec<Secret>, SecondFactorError> {
        let _changing = self.changing.lock().await;
        let seed = self.waiting(instant).ok_or(SecondFactorError::NotOffered)?;
        let step = seed
            .step_of(&digits(typed), now)
            .ok_or(SecondFactorError::WrongCode)?;
        let former = match self.read() {
            Stored::On(_) => self.secrets.get(SECRET).await?,
            Stored::Off | Stored::Broken => None,
        };
        // First the seed: a factor that is on without one would keep everybody out.
        self.secrets.set(SECRET, seed.text()).await?;
        let codes = recovery::fresh();
        let written = self.write(&Kept {
            last_step: step,
            recovery: kept(&codes),
        });
        if let Err(error) = written {
            // The app that is known goes on being the one.
            if let Some(former) = former {
                self.secrets.set(SECRET, former).await?;
            }
            return Err(error);
        }
        *self.offered.lock().unwrap_or_else(PoisonError::into_inner) = None;
        tracing::info!(target: "audit", event = "second_factor_on", "the second factor was switched on");
        Ok(codes)
    }

    /// New recovery codes; the former ones are worth nothing then.
    pub(crate) async fn renew(&self) -> Result<Vec<Secret>, SecondFactorError> {
        let _changing = self.changing.lock().await;
        let kept_now = match self.read() {
            Stored::On(kept) => kept,
            Stored::Off => return Err(SecondFactorError::Off),
            Stored::Broken => return Err(self.broken()),
        };
        let codes = recovery::fresh();
        self.write(&Kept {
            recovery: kept(&codes),
            ..kept_now
        })?;
        tracing::info!(target: "audit", event = "recovery_codes", "new recovery codes were made");
        Ok(codes)
    }

    /// Asks for no code any more.
    pub(crate) async fn switch_off(&self) -> Result<(), SecondFactorError> {
        let _changing = self.changing.lock().await;
        match std::fs::remove_file(&self.path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(self.file(source)),
            Ok(()) | Err(_) => {}
        }
        tracing::info!(target: "audit", event = "second_factor_off", "the second factor was switched off");
        // The seed is worth nothing from here on; a keyring that cannot be reached may keep it.
        if let Err(error) = self.secrets.delete(SECRET).await {
            tracing::warn!(%error, "the codes' secret stays in the keyring, unused");
        }
        Ok(())
    }

    fn waiting(&self, now: Instant) -> Option<Seed> {
        let offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
        let (seed, since) = offered.as_ref()?;
        (now.duration_since(*since) < OFFER_LIFE).then(|| seed.clone())
    }

    fn read(&self) -> Stored {
        let found = match std::fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Stored::Off,
            Err(_) => return Stored::Broken,
            Ok(found) => found,
        };
        if !found.is_file() || found.len() > FILE_BYTES_MAX {
            return Stored::Broken;
        }
        let text = std::fs::read(&self.path).unwrap_or_default();
        serde_json::from_slice(&text).map_or(Stored::Broken, Stored::On)
    }

    fn write(&self, kept: &Kept) -> Result<(), SecondFactorError> {
        let text = serde_json::to_vec(kept).map_err(|error| self.file(error.into()))?;
        files::write(&self.path, &text).map_err(|source| self.file(source))
    }

    fn broken(&self) -> SecondFactorError {
        self.file(io::Error::other(
            "it says nothing that can be understood; `nexus devices totp off` asks for no code any more",
        ))
    }

    fn file(&self, source: io::Error) -> SecondFactorError {
        SecondFactorError::File {
            path: self.path.clone(),
            source,
        }
    }
}

/// What was typed, without what people put between digits.
fn digits(typed: &str) -> String {
    let between = |letter: &char| letter.is_whitespace() || *letter == '-';
    typed.chars().filter(|letter| !between(letter)).collect()
}

fn kept(codes: &[Secret]) -> Vec<String> {
    let prints = codes
        .iter()
        .filter_map(|code| recovery::fingerprint(&digits(code.expose())));
    prints.map(|print: Fingerprint| token::hex(&print)).collect()
}

#[cfg(test)]
pub(crate) mod tests;
