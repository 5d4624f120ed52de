//! The files of one source: `opencode.jsonl`, then `opencode.1.jsonl` … `opencode.4.jsonl`, oldest last.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Files of one source, the one being written included.
pub const FILES: u64 = 5;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// All files of one source together, in bytes.
    pub bytes: u64,
    /// Older files are deleted.
    pub age: Duration,
}

/// Where the `number`th file of `source` is; 0 is the one being written.
pub(crate) fn path(folder: &Path, source: &str, number: u64) -> PathBuf {
    match number {
        0 => folder.join(format!("{source}.jsonl")),
        number => folder.join(format!("{source}.{number}.jsonl")),
    }
}

/// The sources that have files in `folder`, by name.
pub(crate) fn sources(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        let source = stem.and_then(|stem| stem.split('.').next());
        if let Some(source) = source.filter(|source| !found.iter().any(|known| known == source)) {
            found.push(source.to_owned());
        }
    }
    found.sort();
    Ok(found)
}

/// How many files of all sources there are in `folder`, and their bytes.
pub(crate) fn size(folder: &Path) -> io::Result<(u64, u64)> {
    let (mut files, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|ending| ending == "jsonl") {
            files += 1;
            // A file may be renamed while it is looked at; it is counted the next time.
            bytes += entry.metadata().map_or(0, |found| found.len());
        }
    }
    Ok((files, bytes))
}

/// The file lines are written to. Written by one thread only.
pub(crate) struct Rotating {
    folder: PathBuf,
    source: String,
    file: File,
    bytes: u64,
}

impl Rotating {
    /// Opens the newest file, mode 0600, and deletes what is too old.
    pub fn open(folder: &Path, source: &str, keep: Keep, now: SystemTime) -> io::Result<Self> {
        delete_old(folder, source, keep.age, now);
        let mut file = open_private(&path(folder, source, 0))?;
        let bytes = file.seek(SeekFrom::End(0))?;
        let mut rotating = Self {
            folder: folder.to_owned(),
            source: source.to_owned(),
            file,
            bytes,
        };
        rotating.end_cut_line()?;
        Ok(rotating)
    }

    /// A write that was cut short, by a full disk or a lost power supply, must not spoil the next line.
    fn end_cut_line(&mut self) -> io::Result<()> {
        if self.bytes == 0 {
            return Ok(());
        }
        let mut last = [0];
        self.file.seek(SeekFrom::Start(self.bytes - 1))?;
        self.file.read_exact(&mut last)?;
        if last != *b"\n" {
            self.file.write_all(b"\n")?;
            self.bytes += 1;
        }
        Ok(())
    }

    /// Adds whole lines, beginning a new file first when this one would grow beyond its share.
    pub fn write(&mut self, lines: &[u8], keep: Keep, now: SystemTime) -> io::Result<()> {
        let bytes = lines.len() as u64;
        if self.bytes > 0 && self.bytes + bytes > keep.bytes / FILES {
            self.rotate(keep, now)?;
        }
        self.file.write_all(lines)?;
        self.bytes += bytes;
        Ok(())
    }

    fn rotate(&mut self, keep: Keep, now: SystemTime) -> io::Result<()> {
        let at = |number| path(&self.folder, &self.source, number);
        for number in (0..FILES - 1).rev() {
            match std::fs::rename(at(number), at(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        self.file = open_private(&at(0))?;
        self.bytes = 0;
        delete_old(&self.folder, &self.source, keep.age, now);
        Ok(())
    }
}

fn delete_old(folder: &Path, source: &str, age: Duration, now: SystemTime) {
    for number in 0..FILES {
        let path = path(folder, source, number);
        let modified = std::fs::metadata(&path).and_then(|found| found.modified());
        let is_old = modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|old| old > age));
        if is_old {
            // What cannot be deleted now is tried again at the next rotation.
            let _ = std::fs::remove_file(&path);
        }
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Keep = Keep {
        bytes: 5 * 100,
        age: Duration::from_secs(14 * 86_400),
    };

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_never_outgrow_their_share() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Rotating::open(folder.path(), "opencode", KEEP, SystemTime::now()).unwrap();

        for _ in 0..100 {
            file.write(&[b'x'; 30], KEEP, SystemTime::now()).unwrap();
        }

        assert_eq!(
            names(folder.path()),
            [
                "opencode.1.jsonl",
                "opencode.2.jsonl",
                "opencode.3.jsonl",
                "opencode.4.jsonl",
                "opencode.jsonl"
            ]
        );
        let sizes = (0..FILES).map(|n| {
            std::fs::metadata(path(folder.path(), "opencode", n))
                .unwrap()
                .len()
        });
        assert!(sizes.sum::<u64>() <= KEEP.bytes);
        assert_eq!(sources(folder.path()).unwrap(), ["opencode"]);
    }

    #[cfg(unix)]
    #[test]
    fn files_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();

        Rotating::open(folder.path(), "agent", KEEP, SystemTime::now()).unwrap();

        let mode = std::fs::metadata(path(folder.path(), "agent", 0))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_cut_line_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(path(folder.path(), "agent", 0), b"{\"t\":").unwrap();

        let mut file = Rotating::open(folder.path(), "agent", KEEP, SystemTime::now()).unwrap();
        file.write(b"next\n", KEEP, SystemTime::now()).unwrap();

        assert_eq!(
            std::fs::read(path(folder.path(), "agent", 0)).unwrap(),
            b"{\"t\":\nnext\n"
        );
    }

    #[test]
    fn old_files_go() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(path(folder.path(), "agent", 3), b"x\n").unwrap();
        let later = SystemTime::now() + Duration::from_secs(15 * 86_400);

        Rotating::open(folder.path(), "agent", KEEP, later).unwrap();

        assert_eq!(names(folder.path()), ["agent.jsonl"]);
    }
}
