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

/// A text of a table; e.g. a variable of an environment.
const TEXT: Kind = Kind::Text { chars_max: 32 * 1024 };

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
    /// Tables with these fields, by names that a person chooses.
    Tables(&'static [Field]),
}

/// When a change takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// At once.
    Now,
    /// When the module's process starts the next time.
    OnRestart,
}

impl Field {
    /// The field at `key` below its section: one of `fields`, or what stands inside a table of theirs, e.g. `env.NAME`.
    pub(super) fn at(fields: &[Self], key: &str) -> Option<Self> {
        fields.iter().find_map(|field| {
            let rest = key.strip_prefix(field.key)?;
            if rest.is_empty() {
                return Some(*field);
            }
            let inner = rest.strip_prefix('.')?;
            match field.kind {
                Kind::Table => Some(Self { kind: TEXT, ..*field }),
                Kind::Tables(fields) => match inner.split_once('.') {
                    Some((_name, key)) => Self::at(fields, key),
                    // One of the tables as a whole, to be taken away.
                    None => Some(*field),
                },
                Kind::Switch
                | Kind::Text { .. }
                | Kind::Path
                | Kind::Number { .. }
                | Kind::Choice(_)
                | Kind::List => None,
            }
        })
    }
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
            Self::Text { .. } | Self::List | Self::Table | Self::Tables(_) => None,
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
            Self::Tables(fields) => {
                return check_tables(fields, value)
                    .map_err(|found| found.unwrap_or_else(|| self.expectation()));
            }
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
            Self::Tables(fields) => {
                let keys: Vec<&str> = fields.iter().map(|field| field.key).collect();
                format!("must be tables by name, each with {}", keys.join(", "))
            }
        }
    }
}

/// What is wrong with tables by name: a sentence about the value that is, or nothing where they are no such tables.
fn check_tables(fields: &[Field], value: &toml_edit::Item) -> Result<(), Option<String>> {
    for (name, table) in value.as_table_like().ok_or(None)?.iter() {
        let table = table.as_table_like().ok_or(None)?;
        for field in fields {
            if let Some(item) = super::value::find(table, field.key) {
                let about = |expectation| format!("has a `{name}` whose `{}` {expectation}", field.key);
                field
                    .kind
                    .check(item)
                    .map_err(|expectation| Some(about(expectation)))?;
            }
        }
    }
    Ok(())
}
