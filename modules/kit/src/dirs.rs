//! Where the program's files are, one folder per kind.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::files;

/// The folders of one installation. Two agents with different `NEXUS_HOME` share nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// `settings.toml` and the `credential` file.
    pub config: PathBuf,
    /// `state.db`, and the `secrets` file where its owner agreed to one.
    pub state: PathBuf,
    /// `*.jsonl`, rotated.
    pub logs: PathBuf,
    /// Control socket, lock, child records. Gone after a reboot without loss.
    pub run: PathBuf,
    /// What can be fetched again.
    pub cache: PathBuf,
}

/// Why the folders cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirsError {
    /// Neither `NEXUS_HOME` nor a home folder is known.
    #[error("no home folder is known: set HOME, or NEXUS_HOME to a folder for this program's files")]
    NoHome,
    /// The folder cannot be made or its mode cannot be set.
    #[error("could not prepare the folder {path}")]
    Unusable {
        /// The folder in question.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Somebody else could plant files in it.
    #[error("{path} {reason}: make it yours alone with `chmod 700 {path}` or choose another NEXUS_HOME")]
    Shared {
        /// The folder in question.
        path: PathBuf,
        /// `"can be written to by others"` or `"belongs to another user"`.
        reason: &'static str,
    },
}

impl Dirs {
    /// The database's file.
    pub fn database(&self) -> PathBuf {
        self.state.join("state.db")
    }

    /// Resolves the folders: all under `nexus_home` when given, else the platform's usual places.
    ///
    /// Touches no disk. A relative `nexus_home` is taken from the current folder.
    ///
    /// # Errors
    /// [`DirsError::NoHome`] when there is nothing to derive the folders from.
    pub fn resolve(nexus_home: Option<&Path>) -> Result<Self, DirsError> {
        if let Some(home) = nexus_home.filter(|home| !home.as_os_str().is_empty()) {
            let home = std::path::absolute(home).map_err(|_no_cwd| DirsError::NoHome)?;
            return Ok(Self::under(&home));
        }
        let platform = directories::ProjectDirs::from("", "", "opencode-nexus").ok_or(DirsError::NoHome)?;
        let data = platform.data_local_dir();
        Ok(Self {
            config: platform.config_dir().to_owned(),
            state: data.to_owned(),
            logs: data.join("logs"),
            run: platform
                .runtime_dir()
                .map_or_else(|| data.join("run"), Path::to_owned),
            cache: platform.cache_dir().to_owned(),
        })
    }

    /// The layout of a portable installation: everything below `home`.
    pub fn under(home: &Path) -> Self {
        Self {
            config: home.to_owned(),
            state: home.to_owned(),
            logs: home.join("logs"),
            run: home.join("run"),
            cache: home.join("cache"),
        }
    }

    /// Makes the folders with mode 0700 and refuses any that others could write to.
    ///
    /// # Errors
    /// [`DirsError::Unusable`] when a folder cannot be made; [`DirsError::Shared`] when it is not private.
    pub fn create(&self) -> Result<(), DirsError> {
        for path in [&self.config, &self.state, &self.logs, &self.run, &self.cache] {
            let unusable = |source| DirsError::Unusable {
                path: path.clone(),
                source,
            };
            files::create_private_folder(path).map_err(unusable)?;
            check_private(path)?;
        }
        Ok(())
    }
}

/// Refuses a folder that belongs to somebody else or that others could write to, and takes the rest of their rights.
///
/// # Errors
/// [`DirsError::Unusable`] when it cannot be looked at, [`DirsError::Shared`] when it is not private.
#[cfg(unix)]
pub fn check_private(path: &Path) -> Result<(), DirsError> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let unusable = |source| DirsError::Unusable {
        path: path.to_owned(),
        source,
    };
    let found = std::fs::metadata(path).map_err(unusable)?;
    let shared = |reason| DirsError::Shared {
        path: path.to_owned(),
        reason,
    };
    // A file made by this process belongs to the effective user: the cheapest portable way to ask who we are.
    let own = tempfile::tempfile()
        .and_then(|probe| probe.metadata())
        .map_err(unusable)?
        .uid();
    if found.uid() != own {
        return Err(shared("belongs to another user"));
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(shared("can be written to by others"));
    }
    if mode != 0o700 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(unusable)?;
    }
    Ok(())
}

/// Refuses a folder that belongs to somebody else or that others could write to.
///
/// # Errors
/// None: the per-user folders of Windows are private by inheritance.
#[cfg(not(unix))]
pub fn check_private(_path: &Path) -> Result<(), DirsError> {
    Ok(())
}
