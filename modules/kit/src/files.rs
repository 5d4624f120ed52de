//! Files that are never half written.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::time::file_stamp;

/// Makes `path` and the folders above it that are missing, for their owner only, whatever the umask.
///
/// # Errors
/// What the system said.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// How to open a file so that one that is made thereby is for its owner only, whatever the umask.
#[cfg(unix)]
pub fn private() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// How to open a file that is made in the owner's own folders, which nobody else may read.
#[cfg(not(unix))]
pub fn private() -> std::fs::OpenOptions {
    std::fs::OpenOptions::new()
}

/// Replaces the content of `path` as [`write`] does and keeps the previous content beside it as `path.bak`.
///
/// # Errors
/// What the system said; `path` is untouched then.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    if path.exists() {
        keep_backup(path, folder_of(path))?;
    }
    write(path, content)
}

/// Writes `path` so that a reader, or a crash at any moment, sees the old content or the new one.
///
/// A temporary file in the same folder is written, synced and renamed over `path` (mode 0600), then the folder is
/// synced.
///
/// # Errors
/// What the system said; `path` is untouched then.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let mut fresh = tempfile::Builder::new().prefix(".nexus-").tempfile_in(folder)?;
    fresh.write_all(content)?;
    fresh.as_file().sync_all()?;
    fresh.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn keep_backup(path: &Path, folder: &Path) -> io::Result<()> {
    let mut copy = tempfile::Builder::new().prefix(".nexus-").tempfile_in(folder)?;
    io::copy(&mut std::fs::File::open(path)?, copy.as_file_mut())?;
    copy.as_file().sync_all()?;
    copy.persist(beside(path, "bak")).map_err(|error| error.error)?;
    Ok(())
}

/// Moves a file nobody can read out of the way, as `path.corrupt-20260101T100000Z`, and says where it went.
///
/// # Errors
/// What the system said; the file stays where it was.
pub fn quarantine(path: &Path, now: SystemTime) -> io::Result<PathBuf> {
    let kept = beside(path, &format!("corrupt-{}", file_stamp(now)));
    std::fs::rename(path, &kept)?;
    Ok(kept)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether a file can be made in `folder` now; leaves nothing behind.
pub fn can_write_in(folder: &Path) -> bool {
    let probe = folder.join(format!(".writable-{}", std::process::id()));
    let is_made = std::fs::File::create_new(&probe).is_ok();
    // Nothing to remove where nothing was made.
    let _ = std::fs::remove_file(probe);
    is_made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_keeps_its_predecessor_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");

        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();

        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(
            std::fs::read(folder.path().join("settings.toml.bak")).unwrap(),
            b"one"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credential");

        replace(&path, b"one").unwrap();

        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
