//! One line of a log, and how it stands in a file.

use std::{collections::BTreeMap, fmt, time::SystemTime};

use serde::{Deserialize, Serialize};

/// How much a line matters, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something did not work.
    Error,
    /// Something is about to, or was done another way.
    Warn,
    /// What happened.
    #[default]
    Info,
    /// How it happened.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// All levels, most important first.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// `"error"` … `"trace"`: the word in files, settings and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// The level called `word`.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == word)
    }
}

/// One line. In its file it is one JSON object:
/// `{"t":"2026-01-01T10:00:00.123Z","level":"info","source":"agent","target":"gateway","text":"…","fields":{…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was written, UTC with milliseconds.
    #[serde(rename = "t", with = "stamp")]
    pub at: SystemTime,
    /// How much it matters.
    pub level: Level,
    /// Who wrote it: `"agent"`, or the role of a child.
    pub source: String,
    /// The part of the agent, e.g. `"gateway::guard"`; the stream of a child, `"stdout"` or `"stderr"`.
    #[serde(default)]
    pub target: String,
    /// The sentence, cleaned and without secrets.
    pub text: String,
    /// What to search by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// As a person reads it: `2026-01-01T10:00:00.123Z info  gateway  listening port=41234`.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = if self.source == "agent" {
            &self.target
        } else {
            &self.source
        };
        write!(
            f,
            "{} {:<5} {origin}  {}",
            stamp::text(self.at),
            self.level.as_str(),
            self.text
        )?;
        self.fields
            .iter()
            .try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// Times with milliseconds, which order lines of different files.
pub(crate) mod stamp {
    use std::time::SystemTime;

    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn text(time: SystemTime) -> String {
        let stamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
        stamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }

    pub fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(*time))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let stamp: Timestamp = text.parse().map_err(D::Error::custom)?;
        Ok(stamp.into())
    }
}

/// The level a child's line begins with, e.g. `ERROR 2026-… service=…`; what says nothing is `Info`.
pub(crate) fn level_of_output(text: &str) -> Level {
    /// The word stands after a time stamp at most.
    const HEAD_CHARS: usize = 48;
    let mut words = text
        .char_indices()
        .take_while(|(at, _)| *at < HEAD_CHARS)
        .map(|(_, letter)| letter)
        .collect::<String>();
    words.make_ascii_uppercase();
    let mut found = words
        .split(|letter: char| !letter.is_ascii_alphabetic())
        .filter_map(|word| match word {
            "ERROR" | "ERR" | "FATAL" | "PANIC" => Some(Level::Error),
            "WARN" | "WRN" | "WARNING" => Some(Level::Warn),
            "INFO" | "INF" => Some(Level::Info),
            "DEBUG" | "DBG" => Some(Level::Debug),
            "TRACE" => Some(Level::Trace),
            _ => None,
        });
    found.next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_survives_its_file() {
        let entry = Entry {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_261_600_123),
            level: Level::Warn,
            source: "agent".to_owned(),
            target: "gateway::guard".to_owned(),
            text: "a \"quoted\" line\\n".to_owned(),
            fields: BTreeMap::from([("port".to_owned(), "41234".to_owned())]),
        };

        let json = serde_json::to_string(&entry).unwrap();

        assert!(json.starts_with(r#"{"t":"2026-01-01T10:00:00.123Z","level":"warn","source":"agent""#));
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
        assert_eq!(
            entry.to_string(),
            "2026-01-01T10:00:00.123Z warn  gateway::guard  a \"quoted\" line\\n port=41234"
        );
    }

    #[test]
    fn the_level_of_output_is_its_first_word() {
        let check = |text: &str, expected| assert_eq!(level_of_output(text), expected, "{text}");

        check("ERROR 2026-01-01T10:00:00 +1ms service=provider", Level::Error);
        check("2026-01-01T10:00:00Z WRN retrying", Level::Warn);
        check("[info] ready", Level::Info);
        check("listening on 127.0.0.1:1234", Level::Info);
        check(
            "an ordinary sentence that speaks much later of an error",
            Level::Info,
        );
    }
}
