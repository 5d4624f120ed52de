//! Reading the files, with or without an agent.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader},
    iter::Peekable,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use regex::{Regex, RegexBuilder};

use crate::{
    Entry, Level,
    files::{FILES, path, sources},
};

/// What to look for. The default is everything.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only this source, e.g. `"opencode"`.
    pub source: Option<String>,
    /// This important or more.
    pub level: Option<Level>,
    /// Found in the text, the target or a field.
    pub pattern: Option<Regex>,
    /// Not before.
    pub since: Option<SystemTime>,
}

/// Why a query was not understood.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The pattern is no regular expression.
    #[error("`{pattern}` is not a valid regular expression: {reason}")]
    Pattern {
        /// As given.
        pattern: String,
        /// What is wrong, one line.
        reason: String,
    },
    /// The time is neither a length nor a date.
    #[error(
        "`{0}` is not a time: write a length such as 10m, 2h or 3d, or a date such as 2026-01-31T10:00:00Z"
    )]
    Since(String),
}

/// A pattern that ignores case.
///
/// # Errors
/// [`QueryError::Pattern`].
pub fn pattern(text: &str) -> Result<Regex, QueryError> {
    /// A pattern somebody typed; a larger program is a mistake or a trap.
    const PROGRAM_BYTES_MAX: usize = 1 << 20;
    let built = RegexBuilder::new(text)
        .case_insensitive(true)
        .size_limit(PROGRAM_BYTES_MAX)
        .build();
    built.map_err(|error| QueryError::Pattern {
        pattern: text.to_owned(),
        reason: error
            .to_string()
            .lines()
            .last()
            .unwrap_or_default()
            .trim()
            .to_owned(),
    })
}

/// A pattern that finds `text` itself, ignoring case.
pub fn literal(text: &str) -> Option<Regex> {
    pattern(&regex::escape(text)).ok()
}

/// Reads `10m`, `2h`, `3d`, `45s`, or an RFC 3339 date or time.
///
/// # Errors
/// [`QueryError::Since`].
pub fn since(text: &str, now: SystemTime) -> Result<SystemTime, QueryError> {
    let unknown = || QueryError::Since(text.to_owned());
    let trimmed = text.trim();
    if let Ok(stamp) = trimmed.parse::<jiff::Timestamp>() {
        return Ok(stamp.into());
    }
    if let Ok(day) = trimmed.parse::<jiff::civil::Date>() {
        let midnight = day
            .to_zoned(jiff::tz::TimeZone::system())
            .map_err(|_| unknown())?;
        return Ok(midnight.timestamp().into());
    }
    let digits = trimmed.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| unknown())?;
    let unit_s = match &trimmed[digits.len()..] {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(unknown()),
    };
    let length = Duration::from_secs(number.checked_mul(unit_s).ok_or_else(unknown)?);
    now.checked_sub(length).ok_or_else(unknown)
}

impl Query {
    /// Whether `entry` is looked for.
    pub fn matches(&self, entry: &Entry) -> bool {
        self.source.as_ref().is_none_or(|source| *source == entry.source)
            && self.level.is_none_or(|level| entry.level <= level)
            && self.since.is_none_or(|since| entry.at >= since)
            && self.pattern.as_ref().is_none_or(|pattern| {
                pattern.is_match(&entry.text)
                    || pattern.is_match(&entry.target)
                    || entry
                        .fields
                        .iter()
                        .any(|(name, value)| pattern.is_match(&format!("{name}={value}")))
            })
    }

    fn sources(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut found = sources(folder)?;
        found.retain(|name| self.source.as_ref().is_none_or(|source| source == name));
        Ok(found)
    }
}

/// All matching lines of all sources, oldest first, read as they are asked for.
///
/// # Errors
/// When the folder cannot be read; a folder that does not exist holds nothing.
pub fn read(folder: &Path, query: &Query) -> io::Result<impl Iterator<Item = Entry> + use<>> {
    let mut streams: Vec<_> = query
        .sources(folder)?
        .into_iter()
        .map(|source| Lines::new(folder, &source, query.clone()).peekable())
        .collect();
    Ok(std::iter::from_fn(move || {
        let oldest = streams
            .iter_mut()
            .enumerate()
            .filter_map(|(index, stream)| Peekable::peek(stream).map(|entry| (entry.at, index)))
            .min()?;
        streams[oldest.1].next()
    }))
}

/// The last `count` matching lines, oldest first. Older files are opened only while lines are missing.
///
/// # Errors
/// As [`read`].
pub fn last(folder: &Path, query: &Query, count: usize) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for source in query.sources(folder)? {
        let mut newest: VecDeque<Entry> = VecDeque::new();
        for number in 0..FILES {
            let missing = count - newest.len();
            let mut kept = VecDeque::with_capacity(missing.min(1024));
            for entry in Lines::of_file(path(folder, &source, number), query.clone()) {
                if kept.len() == missing {
                    kept.pop_front();
                }
                kept.push_back(entry);
            }
            kept.append(&mut newest);
            newest = kept;
            if newest.len() >= count {
                break;
            }
        }
        found.extend(newest);
    }
    found.sort_by_key(|entry| entry.at);
    found.drain(..found.len().saturating_sub(count));
    Ok(found)
}

/// Matching lines of one source, file after file.
struct Lines {
    files: VecDeque<PathBuf>,
    open: Option<BufReader<File>>,
    query: Query,
    buffer: Vec<u8>,
}

impl Lines {
    fn new(folder: &Path, source: &str, query: Query) -> Self {
        let files = (0..FILES)
            .rev()
            .map(|number| path(folder, source, number))
            .collect();
        Self {
            files,
            open: None,
            query,
            buffer: Vec::new(),
        }
    }

    fn of_file(path: PathBuf, query: Query) -> Self {
        Self {
            files: VecDeque::from([path]),
            open: None,
            query,
            buffer: Vec::new(),
        }
    }

    /// The next file that may hold something; a missing one holds nothing.
    fn open_next(&mut self) -> Option<BufReader<File>> {
        loop {
            let Ok(file) = File::open(self.files.pop_front()?) else {
                continue;
            };
            let modified = file.metadata().and_then(|found| found.modified());
            let is_too_old = self
                .query
                .since
                .is_some_and(|since| modified.is_ok_and(|modified| modified < since));
            if !is_too_old {
                return Some(BufReader::new(file));
            }
        }
    }
}

impl Iterator for Lines {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            let file = match &mut self.open {
                Some(file) => file,
                None => {
                    let next = self.open_next()?;
                    self.open.insert(next)
                }
            };
            self.buffer.clear();
            match file.read_until(b'\n', &mut self.buffer) {
                Ok(0) | Err(_) => self.open = None,
                Ok(_) => {
                    // A line that was cut short by a crash is not one.
                    let entry = serde_json::from_slice::<Entry>(&self.buffer).ok();
                    if let Some(entry) = entry.filter(|entry| self.query.matches(entry)) {
                        return Some(entry);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
