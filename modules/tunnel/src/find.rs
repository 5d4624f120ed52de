//! Where cloudflared is, and whether what lies there is it.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use supervisor::{Failed, Unusable, look, printed};

use crate::download::Downloads;

/// The program's file name.
const NAME: &str = if cfg!(windows) {
    "cloudflared.exe"
} else {
    "cloudflared"
};

/// The oldest that is used: from 2025.4.0 on streamed answers are not held back.
const FLOOR: Version = Version(2025, 4, 0);

/// It takes 50 ms on an idle machine.
const TIMEOUT: Duration = Duration::from_secs(10);
/// One line; whatever else a program prints is not read to its end.
const BYTES_MAX: usize = 4096;

/// A version, e.g. `2026.8.2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(
    /// Year.
    pub u32,
    /// Month.
    pub u32,
    /// Count.
    pub u32,
);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A cloudflared that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// What it says of itself; `None` for one that its owner built.
    pub version: Option<Version>,
}

/// Why there is nothing to start. Each text ends with what the person can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No place has it.
    #[error(
        "cloudflared was not found on the PATH or in the usual places. {offer} (Cloudflare's downloads page has it for every \
         system), or name the program with `nexus settings set tunnel.path PATH`{0}",
        offer = if Downloads::is_offered() { "Download it with `nexus tunnel download`, install it yourself" } else { "Install it" }
    )]
    Nowhere(
        /// What was found and is not it; may be empty.
        String,
    ),
    /// The file named in the settings cannot be used.
    #[error(
        "`tunnel.path` names {path}, which {reason}. Correct it, or set it to \"\" to have cloudflared looked for"
    )]
    Named {
        /// As set.
        path: PathBuf,
        /// E.g. `"does not exist"`.
        reason: String,
    },
    /// It does not say that it is cloudflared.
    #[error(
        "{path} {reason}. Install cloudflared anew, or name another with `nexus settings set tunnel.path PATH`"
    )]
    Mute {
        /// The file.
        path: PathBuf,
        /// E.g. `"did not say its version within 10 s"`.
        reason: String,
    },
    /// It is too old.
    #[error("{path} is cloudflared {version}; {FLOOR} is the oldest that can be used. Update it")]
    TooOld {
        /// The file.
        path: PathBuf,
        /// What it says of itself.
        version: Version,
    },
}

/// Finds the program and asks it its version. `ours` is the one that was downloaded, if it was: the last place.
///
/// # Errors
/// Why there is none.
pub(crate) async fn find(
    named: &str,
    environment: &[(OsString, OsString)],
    ours: &Path,
) -> Result<Found, NotFound> {
    let path = candidate(named.trim(), environment, ours)?;
    let version = version_of(&path, environment)
        .await
        .map_err(|reason| NotFound::Mute {
            path: path.clone(),
            reason,
        })?;
    match version {
        Some(version) if version < FLOOR => Err(NotFound::TooOld { path, version }),
        version => Ok(Found { path, version }),
    }
}

fn candidate(named: &str, environment: &[(OsString, OsString)], ours: &Path) -> Result<PathBuf, NotFound> {
    let get = |wanted: &str| {
        let found = environment.iter().find(|(name, _)| name == OsStr::new(wanted));
        found.map(|(_, value)| value.clone())
    };
    let home = get("HOME").or_else(|| get("USERPROFILE")).map(PathBuf::from);
    if !named.is_empty() {
        let path = match (named.strip_prefix("~/"), &home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(named),
        };
        return match look(&path) {
            Ok(_) => Ok(path),
            Err(unusable) => Err(NotFound::Named {
                reason: unusable.to_string(),
                path,
            }),
        };
    }
    let mut refused = Vec::new();
    let usual = places(&get("PATH").unwrap_or_default(), home.as_deref());
    for place in usual.into_iter().chain([ours.to_owned()]) {
        match look(&place) {
            Ok(_) => return Ok(place),
            Err(Unusable::Missing) => {}
            Err(unusable) => refused.push(format!("{} {unusable}", place.display())),
        }
    }
    Err(NotFound::Nowhere(if refused.is_empty() {
        String::new()
    } else {
        format!(". Not usable: {}", refused.join("; "))
    }))
}

/// Every file that may be cloudflared, best first: the PATH, then where installers put it. A program started from a
/// desktop often has a short PATH.
fn places(path: &OsStr, home: Option<&Path>) -> Vec<PathBuf> {
    let usual: &[&str] = if cfg!(target_os = "macos") {
        &[
            "/opt/homebrew/bin",
            "/usr/local/bin",
            "/opt/local/bin",
            "/usr/bin",
        ]
    } else if cfg!(windows) {
        &[
            r"C:\Program Files (x86)\cloudflared",
            r"C:\Program Files\cloudflared",
        ]
    } else {
        &[
            "/usr/local/bin",
            "/usr/bin",
            "/home/linuxbrew/.linuxbrew/bin",
            "/run/current-system/sw/bin",
            "/snap/bin",
        ]
    };
    let homes: &[&str] = if cfg!(windows) {
        &[
            r"scoop\apps\cloudflared\current",
            r"AppData\Local\Microsoft\WinGet\Links",
        ]
    } else {
        &[".local/bin", "bin", ".nix-profile/bin", "go/bin"]
    };
    let folders = std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .chain(homes.iter().filter_map(|below| home.map(|home| home.join(below))))
        .chain(usual.iter().map(PathBuf::from));
    let mut files = Vec::new();
    for folder in folders {
        let file = folder.join(NAME);
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

pub(crate) async fn version_of(
    path: &Path,
    environment: &[(OsString, OsString)],
) -> Result<Option<Version>, String> {
    let mut command = Command::new(path);
    command.arg("--version").env_clear();
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let said = printed(command, TIMEOUT, BYTES_MAX)
        .await
        .map_err(|failed| match failed {
            Failed::NotStarted(error) => format!("could not be started: {error}"),
            Failed::TooLate => format!("did not say its version within {} s", TIMEOUT.as_secs()),
            Failed::TooMuch => "says more than a version, so it is not cloudflared".to_owned(),
            Failed::Broke(error) => format!("could not be listened to: {error}"),
        })?;
    let said = String::from_utf8_lossy(&said);
    read_version(&said)
        .ok_or_else(|| format!("says its version is {:?}, so it is not cloudflared", said.trim()))
}

/// `cloudflared version 2026.8.2 (built …)`; `DEV` for one without a version.
fn read_version(said: &str) -> Option<Option<Version>> {
    let word = said
        .trim()
        .strip_prefix("cloudflared version ")?
        .split(' ')
        .next()?;
    if word == "DEV" {
        return Some(None);
    }
    let mut numbers = word.split('.').map(|number| number.parse::<u32>().ok());
    match [numbers.next(), numbers.next(), numbers.next(), numbers.next()] {
        [Some(Some(year)), Some(Some(month)), Some(Some(count)), None] => {
            Some(Some(Version(year, month, count)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let read = |said: &str| read_version(said);
        assert_eq!(
            read("cloudflared version 2026.8.2 (built 2026-08-20-1122 UTC)\n"),
            Some(Some(Version(2026, 8, 2)))
        );
        assert_eq!(read("cloudflared version DEV (built unknown)"), Some(None));
        for other in [
            "",
            "1.18.33",
            "cloudflared version",
            "cloudflared version x.y.z",
            "nginx version 1.2.3",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        assert!(Version(2025, 3, 9) < FLOOR && Version(2025, 10, 0) > FLOOR);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_is_not_cloudflared_is_named_with_the_reason() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cloudflared");
        let path = file.to_str().unwrap();
        let write = |script: &str, mode: u32| {
            std::fs::write(&file, script).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let nowhere = folder.path().join("none");
        let said = async |named: &str| {
            find(named, &[], &nowhere)
                .await
                .map_err(|error| error.to_string())
        };

        assert!(said(path).await.unwrap_err().contains("does not exist"));
        write("#!/bin/sh\necho cloudflared version 2026.8.2\n", 0o644);
        assert!(said(path).await.unwrap_err().contains("chmod +x"));
        write("#!/bin/sh\necho 1.18.33\n", 0o755);
        assert!(said(path).await.unwrap_err().contains("so it is not cloudflared"));
        write("#!/bin/sh\necho cloudflared version 2024.1.0\n", 0o755);
        assert!(said(path).await.unwrap_err().contains("Update it"));
        write("#!/bin/sh\necho cloudflared version 2026.8.2\n", 0o755);
        assert_eq!(said(path).await.unwrap().version, Some(Version(2026, 8, 2)));

        let on_path = [("PATH".into(), folder.path().into())];
        assert_eq!(find("", &on_path, &nowhere).await.unwrap().path, file);
    }
}
