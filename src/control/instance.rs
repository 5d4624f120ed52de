//! At most one agent per set of folders.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

/// The right to be the agent, held until dropped. The kernel takes it back when the process dies, however it dies.
#[derive(Debug)]
pub struct Instance {
    _lock: File,
}

/// Why the right was not given.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Another process holds it.
    #[error("another agent is running with the same folders")]
    Taken,
    /// The lock file cannot be used.
    #[error("could not lock {path}")]
    Unusable {
        /// The lock file.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Instance {
    /// Takes the lock in the `run` folder without waiting.
    ///
    /// # Errors
    /// [`InstanceError::Taken`] while somebody else holds it.
    pub fn claim(run: &Path) -> Result<Self, InstanceError> {
        let path = run.join("nexus.lock");
        let unusable = |source| InstanceError::Unusable {
            path: path.clone(),
            source,
        };
        let file = kit::files::private()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _lock: file }),
            Err(TryLockError::WouldBlock) => Err(InstanceError::Taken),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_right_is_given_once_and_again_after_its_holder_is_gone() {
        let run = tempfile::tempdir().unwrap();

        let first = Instance::claim(run.path()).unwrap();
        let second = Instance::claim(run.path());
        drop(first);

        assert!(matches!(second, Err(InstanceError::Taken)), "{second:?}");
        // A child that another test is just starting has a copy of the lock until it runs its own program.
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Err(error) = Instance::claim(run.path()) {
            assert!(
                matches!(error, InstanceError::Taken) && Instant::now() < deadline,
                "{error:?}"
            );
            std::thread::yield_now();
        }
    }
}
