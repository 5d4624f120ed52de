//! Reading what is added, for `nexus logs --follow`.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    Entry, Query,
    files::{path, sources},
};

/// Read per file and turn at most, so that a flood is shown in portions.
const CHUNK_BYTES_MAX: u64 = 1024 * 1024;

/// The ends of all files of a folder. It holds open files, so that the rest of a file is read even after it was
/// rotated away.
pub struct Follow {
    folder: PathBuf,
    query: Query,
    ends: HashMap<String, End>,
}

struct End {
    file: File,
    /// Begun and not yet ended.
    line: Vec<u8>,
}

impl Follow {
    /// Begins at the present end of every file.
    ///
    /// # Errors
    /// When the folder or a file cannot be read.
    pub fn begin(folder: &Path, query: Query) -> io::Result<Self> {
        use std::io::Seek;
        let mut ends = HashMap::new();
        for source in sources(folder)? {
            let Ok(mut file) = File::open(path(folder, &source, 0)) else {
                continue;
            };
            file.seek(io::SeekFrom::End(0))?;
            ends.insert(
                source,
                End {
                    file,
                    line: Vec::new(),
                },
            );
        }
        Ok(Self {
            folder: folder.to_owned(),
            query,
            ends,
        })
    }

    /// What was added since the last call, oldest first. Costs a few system calls when nothing was: a caller asks
    /// some times a second, and only while somebody looks.
    ///
    /// # Errors
    /// When the folder or a file cannot be read.
    pub fn more(&mut self) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        for source in sources(&self.folder)? {
            if self.query.source.as_ref().is_some_and(|wanted| *wanted != source) {
                continue;
            }
            let newest = path(&self.folder, &source, 0);
            let end = match self.ends.entry(source) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(place) => match File::open(&newest) {
                    Ok(file) => place.insert(End {
                        file,
                        line: Vec::new(),
                    }),
                    Err(_) => continue,
                },
            };
            end.read(&mut found)?;
            if is_other_file(&end.file, &newest)
                && let Ok(file) = File::open(&newest)
            {
                *end = End {
                    file,
                    line: Vec::new(),
                };
                end.read(&mut found)?;
            }
        }
        found.retain(|entry| self.query.matches(entry));
        found.sort_by_key(|entry| entry.at);
        Ok(found)
    }
}

impl End {
    fn read(&mut self, found: &mut Vec<Entry>) -> io::Result<()> {
        loop {
            let taken = self
                .file
                .by_ref()
                .take(CHUNK_BYTES_MAX)
                .read_to_end(&mut self.line)?;
            let Some(end) = self.line.iter().rposition(|byte| *byte == b'\n') else {
                return Ok(());
            };
            let lines = self.line[..end].split(|byte| *byte == b'\n');
            found.extend(lines.filter_map(|line| serde_json::from_slice(line).ok()));
            self.line.drain(..=end);
            if (taken as u64) < CHUNK_BYTES_MAX {
                return Ok(());
            }
        }
    }
}

#[cfg(unix)]
fn is_other_file(open: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (open.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => open.ino() != there.ino() || open.dev() != there.dev(),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_other_file(open: &File, path: &Path) -> bool {
    // A newer file is shorter than what was read of the old one; both are written by one program.
    match (open.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => open.created().ok() != there.created().ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        time::{Duration, SystemTime},
    };

    use super::*;
    use crate::{
        Level,
        files::{Keep, Rotating},
    };

    const KEEP: Keep = Keep {
        bytes: 5 * 400,
        age: Duration::from_secs(86_400),
    };

    fn line(text: &str) -> Vec<u8> {
        let entry = Entry {
            at: SystemTime::now(),
            level: Level::Info,
            source: "agent".to_owned(),
            target: String::new(),
            text: text.to_owned(),
            fields: BTreeMap::new(),
        };
        let mut line = serde_json::to_vec(&entry).unwrap();
        line.push(b'\n');
        line
    }

    #[test]
    fn what_is_added_is_read_once_across_rotations() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Rotating::open(folder.path(), "agent", KEEP, SystemTime::now()).unwrap();
        file.write(&line("before"), KEEP, SystemTime::now()).unwrap();
        let mut follow = Follow::begin(folder.path(), Query::default()).unwrap();

        let mut seen = Vec::new();
        for number in 0..40 {
            file.write(&line(&number.to_string()), KEEP, SystemTime::now())
                .unwrap();
            if number % 2 == 0 {
                seen.extend(follow.more().unwrap());
            }
        }
        seen.extend(follow.more().unwrap());

        let texts: Vec<_> = seen.into_iter().map(|entry| entry.text).collect();
        let expected: Vec<_> = (0..40).map(|number| number.to_string()).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn half_a_line_waits_for_its_end() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let mut file = File::create(path(folder.path(), "agent", 0)).unwrap();
        let mut follow = Follow::begin(folder.path(), Query::default()).unwrap();
        let whole = line("whole");

        file.write_all(&whole[..20]).unwrap();
        assert!(follow.more().unwrap().is_empty());
        file.write_all(&whole[20..]).unwrap();

        assert_eq!(follow.more().unwrap()[0].text, "whole");
    }
}
