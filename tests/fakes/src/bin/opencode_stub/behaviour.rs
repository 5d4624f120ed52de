//! What a story asked for.

use std::{fs, io, io::Write, path::PathBuf, time::Duration};

/// Where a story says it.
const VARIABLE: &str = "OPENCODE_STUB";

#[derive(Debug, Clone)]
pub(crate) struct Behaviour {
    pub(crate) exit: Option<u8>,
    pub(crate) say: Option<String>,
    pub(crate) version: String,
    pub(crate) ready_after: Duration,
    pub(crate) is_unready: bool,
    pub(crate) is_open: bool,
    pub(crate) is_wide: bool,
    pub(crate) ignores_term: bool,
    pub(crate) flood_bytes_per_s: Option<usize>,
    pub(crate) children: u32,
    pub(crate) exit_after: Option<Duration>,
    /// When it stops answering because it computes, and for how long.
    pub(crate) busy: Option<(Duration, Duration)>,
    /// When it begins to take memory until there is none.
    pub(crate) eat_after: Option<Duration>,
    /// Memory it holds from the start.
    pub(crate) hold_mib: usize,
    busy_after: Duration,
    squat: Option<PathBuf>,
    starts: Option<PathBuf>,
}

impl Behaviour {
    /// Reads the words of this start.
    ///
    /// # Errors
    /// A word nobody knows, or a file that cannot be read: a story that asks for nonsense must not pass.
    pub(crate) fn read() -> io::Result<Self> {
        let words = std::env::var(VARIABLE).unwrap_or_default();
        let words = match words.strip_prefix("file=") {
            Some(path) => fs::read_to_string(path.trim())?,
            None => words,
        };
        let mut found = Self {
            exit: None,
            say: None,
            version: "1.18.33".to_owned(),
            ready_after: Duration::ZERO,
            is_unready: false,
            is_open: false,
            is_wide: false,
            ignores_term: false,
            flood_bytes_per_s: None,
            children: 0,
            exit_after: None,
            busy: None,
            eat_after: None,
            hold_mib: 0,
            busy_after: Duration::ZERO,
            squat: None,
            starts: None,
        };
        for word in words.split_whitespace() {
            found
                .take(word)
                .ok_or_else(|| io::Error::other(format!("{word} is no behaviour")))?;
        }
        Ok(found)
    }

    fn take(&mut self, word: &str) -> Option<()> {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let seconds = || value.parse().ok().map(Duration::from_secs_f64);
        match name {
            "exit" => self.exit = Some(value.parse().ok()?),
            "say" => self.say = Some(value.replace('_', " ")),
            "version" => value.clone_into(&mut self.version),
            "ready_after" => self.ready_after = seconds()?,
            "unready" => self.is_unready = true,
            "open" => self.is_open = true,
            "wide" => self.is_wide = true,
            "ignore_term" => self.ignores_term = true,
            "flood" => self.flood_bytes_per_s = Some(value.parse::<usize>().ok()? * 1_000_000),
            "children" => self.children = value.parse().ok()?,
            "exit_after" => self.exit_after = Some(seconds()?),
            "busy_after" => self.busy_after = seconds()?,
            "busy_for" => self.busy = Some((self.busy_after, seconds()?)),
            "eat_after" => self.eat_after = Some(seconds()?),
            "hold_mib" => self.hold_mib = value.parse().ok()?,
            "squat" => self.squat = Some(value.into()),
            "starts" => self.starts = Some(value.into()),
            _ => return None,
        }
        Some(())
    }

    /// Leaves a trace of this start where the story looks for it.
    pub(crate) fn note_start(&self, port: u16) -> io::Result<()> {
        let Some(path) = &self.starts else {
            return Ok(());
        };
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
        writeln!(file, "{} {port}", std::process::id())
    }

    /// Whether this is the one start whose port somebody else takes.
    pub(crate) fn is_to_squat(&self) -> io::Result<bool> {
        match self.squat.as_ref().map(fs::remove_file) {
            None => Ok(false),
            Some(Ok(())) => Ok(true),
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Some(Err(error)) => Err(error),
        }
    }
}
