//! Tells when the password's file may be another one.
//!
//! Other programs change it too, the command line first of all, so the system is asked to say so. Where it cannot, and
//! for what it misses, the file is looked at now and then.

use std::{path::Path, sync::Arc, time::Duration};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{sync::Notify, time::sleep};

/// Between two looks, where nobody tells.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Between two looks, where every change is told: a folder may be taken away as a whole.
const LOOK_ANYWAY_EVERY: Duration = Duration::from_secs(15);

/// See the module.
pub(crate) struct Watched {
    may_differ: Arc<Notify>,
    /// Tells for as long as it is held.
    watcher: Option<RecommendedWatcher>,
}

impl Watched {
    /// Over `file`, which need not exist; its folder is what is watched, since files are replaced as a whole.
    pub(super) fn over(file: &Path) -> Self {
        let may_differ = Arc::new(Notify::new());
        // What was read before now may have changed meanwhile.
        may_differ.notify_one();
        let watcher = watcher(file, Arc::clone(&may_differ))
            .inspect_err(|error| tracing::debug!(%error, "the password's file is looked at every second"))
            .ok();
        Self { may_differ, watcher }
    }

    /// Returns when it is time to read the file again.
    pub(crate) async fn may_differ(&self) {
        let look_every = if self.watcher.is_some() {
            LOOK_ANYWAY_EVERY
        } else {
            LOOK_EVERY
        };
        tokio::select! {
            () = self.may_differ.notified() => {}
            () = sleep(look_every) => {}
        }
    }
}

fn watcher(file: &Path, may_differ: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let name = file.file_name().map(ToOwned::to_owned);
    let folder = file.parent().unwrap_or(file);
    let whole = folder.to_owned();
    let mut watcher = notify::recommended_watcher(move |told: notify::Result<Event>| {
        let is_of_file = |event: &Event| {
            // Our own reading is told as well.
            !event.kind.is_access()
                && (event.need_rescan()
                    || event
                        .paths
                        .iter()
                        .any(|path| *path == whole || path.file_name() == name.as_deref()))
        };
        // A watch that is at its end may have missed anything.
        if told.as_ref().map_or(true, is_of_file) {
            may_differ.notify_one();
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_change_is_told_before_anybody_would_look() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credential");
        let watched = Watched::over(&file);
        assert!(watched.watcher.is_some());
        let told = || async {
            let told = tokio::time::timeout(LOOK_ANYWAY_EVERY / 2, watched.may_differ());
            told.await.unwrap();
        };

        told().await;
        kit::files::write(&file, b"one").unwrap();
        told().await;
        fs::remove_file(&file).unwrap();
        told().await;
        fs::write(folder.path().join("other"), b"").unwrap();
        fs::write(&file, b"two").unwrap();
        told().await;
    }
}
