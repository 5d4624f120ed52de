//! What one setting is.

use serde::{Serialize, de::DeserializeOwned};

/// The settings of one module: a table of the file.
pub trait Section:
    Serialize + DeserializeOwned + Default + Clone + PartialEq + Send + Sync + 'static
{
    /// The table's name: the module's id.
    const ID: &'static str;
    /// Every key that can be set, in the order of the form.
    const FIELDS: &'static [Field];

    /// Looks at what single fields cannot tell.
    ///
    /// # Errors
    /// A sentence that names the key and says what it may be.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Below the section's table, e.g. `"restart.max_failures"`.
    pub key: &'static str,
    /// A few words for the form.
    pub label: &'static str,
    /// One or two sentences.
    pub help: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// When a change takes effect.
    pub applies: Applies,
}

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// A line of text.
    Text {
        /// Longest allowed.
        chars_max: usize,
    },
    /// A file or folder; empty means "find it".
    Path,
    /// A whole number.
    Number {
        /// Smallest allowed.
        min: i64,
        /// Largest allowed.
        max: i64,
        /// E.g. `"s"`, `"MiB"`, or empty.
        unit: &'static str,
    },
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    List,
    /// A table of texts.
    Table,
}

/// When a change takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// At once.
    Now,
    /// When the module's process starts the next time.
    OnRestart,
}

impl Kind {
    /// A value as the log may show it; `None` for kinds that could hold a secret.
    pub(super) fn told(self, value: Option<&toml_edit::Item>) -> Option<String> {
        match self {
            Self::Switch | Self::Number { .. } | Self::Choice(_) | Self::Path => {
                let default = || "default".to_owned();
                Some(value.map_or_else(default, |value| {
                    value.to_string().trim().trim_matches('"').to_owned()
                }))
            }
            Self::Text { .. } | Self::List | Self::Table => None,
        }
    }

    /// Checks one value of the file.
    ///
    /// # Errors
    /// What the value may be, e.g. `"must be a whole number from 1 to 1000"`.
    pub(super) fn check(self, value: &toml_edit::Item) -> Result<(), String> {
        let fits = match self {
            Self::Switch => value.is_bool(),
            Self::Text { chars_max } => value
                .as_str()
                .is_some_and(|text| text.chars().count() <= chars_max),
            Self::Path => value.is_str(),
            Self::Number { min, max, .. } => value
                .as_integer()
                .is_some_and(|number| (min..=max).contains(&number)),
            Self::Choice(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::List => value
                .as_array()
                .is_some_and(|list| list.iter().all(toml_edit::Value::is_str)),
            Self::Table => value
                .as_table_like()
                .is_some_and(|table| table.iter().all(|(_, item)| item.is_str())),
        };
        if fits { Ok(()) } else { Err(self.expectation()) }
    }

    fn expectation(self) -> String {
        match self {
            Self::Switch => "must be true or false".to_owned(),
            Self::Text { chars_max } => format!("must be text of at most {chars_max} characters"),
            Self::Path => "must be a path as text".to_owned(),
            Self::Number { min, max, unit } => format!("must be a whole number from {min} to {max} {unit}")
                .trim_end()
                .to_owned(),
            Self::Choice(words) => format!("must be one of {}", words.join(", ")),
            Self::List => "must be a list of texts, e.g. [\"a\", \"b\"]".to_owned(),
            Self::Table => "must be a table of texts, e.g. { NAME = \"value\" }".to_owned(),
        }
    }
}
