//! Which version a binary is.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::NotFound;
use supervisor::{Failed, printed};

/// The oldest version that is safe to run: 1.0.216 closed CVE-2026-22812 (any web page could run commands), 1.1.10
/// closed CVE-2026-22813. Part of the release; no setting lowers it.
pub const FLOOR: Version = Version {
    major: 1,
    minor: 1,
    patch: 10,
    is_preview: false,
};

/// It took 1.0 to 1.6 s on an idle machine, ten times that on a busy one.
const TIMEOUT: Duration = Duration::from_secs(20);
/// A version is a dozen bytes; whatever else a program prints is not read to its end.
const BYTES_MAX: usize = 4096;
/// Binaries remembered; people have one or two.
const REMEMBERED_MAX: usize = 16;

/// A version, e.g. `1.18.33`. Previews count as older than what they preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second.
    pub minor: u64,
    /// The third.
    pub patch: u64,
    /// Something follows, e.g. `-beta.1`.
    pub is_preview: bool,
}

impl Version {
    fn key(self) -> (u64, u64, u64, bool) {
        (self.major, self.minor, self.patch, !self.is_preview)
    }

    /// Whether it may be run.
    pub fn is_safe(self) -> bool {
        self.key() >= FLOOR.key()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let preview = if self.is_preview { "-preview" } else { "" };
        write!(f, "{}.{}.{}{preview}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let (numbers, rest) = match text.find(['-', '+']) {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let mut numbers = numbers.split('.').map(|number| number.parse::<u64>().ok());
        match [numbers.next(), numbers.next(), numbers.next(), numbers.next()] {
            [Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None] => Ok(Self {
                major,
                minor,
                patch,
                is_preview: rest.starts_with('-'),
            }),
            _ => Err(VersionError),
        }
    }
}

/// A text that is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a version")]
pub struct VersionError;

/// A binary as it was looked at: another one has another size or time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Seen {
    path: PathBuf,
    bytes: u64,
    changed: SystemTime,
}

/// What binaries said of themselves. Asking is slow and leaves folders in the user's home, so each is asked once; the
/// answers are kept in a file.
#[derive(Debug)]
pub(crate) struct Versions {
    file: PathBuf,
    known: Mutex<Option<BTreeMap<Seen, String>>>,
}

impl Versions {
    /// Answers are kept in `file`, which can be deleted without loss.
    pub(crate) fn new(file: PathBuf) -> Self {
        Self {
            file,
            known: Mutex::new(None),
        }
    }

    /// The version of the binary at `path`, which is run with this environment if it was not asked before.
    pub(crate) async fn of(&self, path: &Path, env: &[(OsString, OsString)]) -> Result<Version, NotFound> {
        let mute = |reason: String| NotFound::Mute {
            path: path.to_owned(),
            reason,
        };
        let seen = Seen::at(path).map_err(|error| mute(format!("cannot be read: {error}")))?;
        let text = match self.known(&seen) {
            Some(text) => text,
            None => {
                let text = ask(path, env).await.map_err(mute)?;
                self.keep(seen, &text);
                text
            }
        };
        let version: Version = text
            .parse()
            .map_err(|_error| mute(format!("says its version is {text:?}, so it is not opencode")))?;
        if version.is_safe() {
            Ok(version)
        } else {
            Err(NotFound::TooOld {
                path: path.to_owned(),
                version,
            })
        }
    }

    fn known(&self, seen: &Seen) -> Option<String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_with(|| load(&self.file)).get(seen).cloned()
    }

    fn keep(&self, seen: Seen, text: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_default();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(seen, text.to_owned());
        let rows: Vec<_> = known.iter().collect();
        let saved = serde_json::to_vec(&rows)
            .map_err(io::Error::from)
            .and_then(|json| kit::files::write(&self.file, &json));
        if let Err(error) = saved {
            tracing::debug!(%error, "opencode's version was not remembered");
        }
    }
}

fn load(file: &Path) -> BTreeMap<Seen, String> {
    let rows: Vec<(Seen, String)> = std::fs::read(file)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .unwrap_or_default();
    rows.into_iter().take(REMEMBERED_MAX).collect()
}

impl Seen {
    /// Looks at the file at `path`.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            bytes: found.len(),
            changed: found.modified()?,
        })
    }
}

async fn ask(path: &Path, env: &[(OsString, OsString)]) -> Result<String, String> {
    let mut command = std::process::Command::new(path);
    command.arg("--version").env_clear();
    command.envs(env.iter().map(|(name, value)| (name, value)));
    let said = printed(command, TIMEOUT, BYTES_MAX)
        .await
        .map_err(|failed| match failed {
            Failed::NotStarted(error) => format!("could not be started: {error}"),
            Failed::TooLate => format!("did not say its version within {} s", TIMEOUT.as_secs()),
            Failed::TooMuch => "says more than a version, so it is not opencode".to_owned(),
            Failed::Broke(error) => format!("could not be listened to: {error}"),
        })?;
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    if said.is_empty() {
        Err("did not say its version".to_owned())
    } else {
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        let is_safe = |text: &str| text.parse::<Version>().map(Version::is_safe);
        for safe in [
            "1.18.33",
            "1.18.33\n",
            "v1.1.10",
            "1.1.11-beta.1",
            "2.0.0-next",
            "1.1.10+build",
        ] {
            assert_eq!(is_safe(safe), Ok(true), "{safe}");
        }
        for old in ["1.1.9", "1.0.216", "0.15.0", "1.1.10-rc.1"] {
            assert_eq!(is_safe(old), Ok(false), "{old}");
        }
        for garbage in [
            "",
            "local",
            "1.2",
            "1.2.3.4",
            "opencode 1.18.33",
            "1.-1.3",
            "99999999999999999999.0.0",
        ] {
            assert_eq!(is_safe(garbage), Err(VersionError), "{garbage}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_binary_is_asked_once_until_it_changes() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("opencode");
        let asked = folder.path().join("asked");
        let write = |version: &str| {
            let script = format!("#!/bin/sh\necho asked >> {}\necho {version}\n", asked.display());
            std::fs::write(&binary, script).unwrap();
            std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        let cache = folder.path().join("versions.json");
        write("1.18.33");

        for _ in 0..2 {
            let versions = Versions::new(cache.clone());
            assert_eq!(versions.of(&binary, &[]).await.unwrap().to_string(), "1.18.33");
            assert_eq!(versions.of(&binary, &[]).await.unwrap().to_string(), "1.18.33");
        }
        assert_eq!(std::fs::read_to_string(&asked).unwrap(), "asked\n");

        write("1.1.9 ");
        let versions = Versions::new(cache.clone());
        let error = versions.of(&binary, &[]).await.unwrap_err();
        assert!(matches!(error, NotFound::TooOld { .. }), "{error}");
        assert!(error.to_string().contains("1.1.10 is the oldest"), "{error}");
        assert_eq!(std::fs::read_to_string(&asked).unwrap(), "asked\nasked\n");

        write("garbage!");
        let error = Versions::new(cache).of(&binary, &[]).await.unwrap_err();
        assert!(error.to_string().contains("so it is not opencode"), "{error}");
    }
}
