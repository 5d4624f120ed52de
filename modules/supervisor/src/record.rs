//! What is written down about a child, for the case that its agent is killed and nobody is left who knows it.

use std::{
    collections::HashSet,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use os::{Identity, Signal};
use serde::{Deserialize, Serialize};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use crate::tree::{MARKER_VARIABLE, Tree};

/// File names are `child-<role>-<pid>.json`.
const PREFIX: &str = "child-";

/// A record is some 200 bytes; anything bigger is none of ours.
const RECORD_BYTES_MAX: u64 = 4_096;

/// How long leftovers are waited for after SIGKILL.
const KILL_WAIT: Duration = Duration::from_secs(2);

/// Between two looks at leftovers that are ending.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One child, as the next agent needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) role: String,
    pub(crate) pid: u32,
    pub(crate) started: u64,
    pub(crate) boot: String,
    pub(crate) marker: String,
    pub(crate) port: Option<u16>,
}

impl Record {
    pub(crate) fn of(role: &str, tree: &Tree, port: Option<u16>) -> io::Result<Self> {
        Ok(Self {
            role: role.to_owned(),
            pid: tree.root.pid,
            started: tree.root.started,
            boot: os::boot_id()?,
            marker: tree.marker.to_string(),
            port,
        })
    }

    /// Writes the record so that it is on disk, whole, when this returns.
    pub(crate) fn write_blocking(&self, folder: &Path) -> io::Result<PathBuf> {
        let path = folder.join(format!("{PREFIX}{}-{}.json", self.role, self.pid));
        let fresh = path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        #[cfg(unix)]
        fs::File::open(folder)?.sync_all()?;
        Ok(path)
    }
}

/// Ends what earlier children of `role` left running and removes their records. Nothing is touched unless this is the
/// same boot, and the process carries the record's marker and is the recorded one or younger.
///
/// Returns how many processes were ended; `None` when the earlier agent had ended everything itself.
pub(crate) async fn remove_leftovers(folder: &Path, role: &str) -> io::Result<Option<usize>> {
    let records = read_all_blocking(folder, Some(role))?;
    if records.is_empty() {
        return Ok(None);
    }
    let boot = os::boot_id()?;
    let mut ended = 0;
    for (path, record) in records {
        if let Some(record) = record.filter(|record| record.boot == boot) {
            ended += end_leftovers(&record).await?;
        }
        fs::remove_file(path)?;
    }
    Ok(Some(ended))
}

/// Processes that an agent which was killed has left running, by the records in `folder`. Only looks; the next agent ends
/// them. Beside a running agent these are its own children.
///
/// # Errors
/// The system's.
pub fn leftovers(folder: &Path) -> io::Result<Vec<Identity>> {
    let boot = os::boot_id()?;
    let mut found = vec![];
    for (_, record) in read_all_blocking(folder, None)? {
        if let Some(record) = record.filter(|record| record.boot == boot) {
            found.extend(leftovers_blocking(&record)?);
        }
    }
    Ok(found)
}

async fn end_leftovers(record: &Record) -> io::Result<usize> {
    let deadline = Instant::now() + KILL_WAIT;
    let mut ended = HashSet::new();
    loop {
        let looked_for = record.clone();
        let left = spawn_blocking(move || leftovers_blocking(&looked_for))
            .await
            .map_err(io::Error::other)??;
        if left.is_empty() || Instant::now() >= deadline {
            return Ok(ended.len());
        }
        for process in left {
            match os::signal(process, Signal::Kill) {
                Ok(true) => {
                    ended.insert(process);
                }
                Ok(false) => {}
                Err(error) => tracing::debug!(pid = process.pid, %error, "a leftover could not be ended"),
            }
            // It may have been handed to us meanwhile.
            os::reap(process.pid);
        }
        sleep(LOOK_EVERY).await;
    }
}

fn leftovers_blocking(record: &Record) -> io::Result<Vec<Identity>> {
    let own = std::process::id();
    Ok(os::processes()?
        .into_iter()
        .filter(|process| !process.is_over && process.identity.pid != own)
        .map(|process| process.identity)
        // A number that is in use again belongs to somebody who started at another time.
        .filter(|identity| identity.pid != record.pid || identity.started == record.started)
        .filter(|identity| identity.started >= record.started)
        .filter(|identity| os::carries(identity.pid, MARKER_VARIABLE, &record.marker))
        .collect())
}

/// The records of `role`, or of all; `None` beside a path that holds nothing readable.
fn read_all_blocking(folder: &Path, role: Option<&str>) -> io::Result<Vec<(PathBuf, Option<Record>)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries?,
    };
    let own = role.map_or_else(|| PREFIX.to_owned(), |role| format!("{PREFIX}{role}-"));
    let mut found = vec![];
    for entry in entries {
        let path = entry?.path();
        let is_ours = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(&own));
        if is_ours {
            let record = read(&path).filter(|record| role.is_none_or(|role| record.role == role));
            found.push((path, record));
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Option<Record> {
    if fs::metadata(path).ok()?.len() > RECORD_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests;
