//! What menu, dashboard and command line ask of a module.

use serde::Serialize;

/// A request, e.g. `restart` or `set on`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Verb {
    /// One of the module's [`VerbSpec`]s.
    pub name: String,
    /// As many as the spec takes.
    pub args: Vec<String>,
    /// Whether whoever asks waits for what comes of it. Otherwise the answer may come as soon as it is under way.
    pub is_awaited: bool,
    /// The session of the device it was asked from; `None` for the machine itself.
    pub session: Option<String>,
}

impl Verb {
    /// A verb with arguments.
    pub fn with(name: &str, args: Vec<String>) -> Self {
        Self {
            args,
            ..Self::bare(name)
        }
    }

    /// A verb without arguments.
    pub fn bare(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            args: Vec::new(),
            is_awaited: true,
            session: None,
        }
    }
}

/// A verb a module understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerbSpec {
    /// The word, e.g. `"restart"`.
    pub name: &'static str,
    /// What it does, one sentence.
    pub help: &'static str,
    /// Names of its arguments, in order; those that may be left out end in `?` and come last.
    pub args: &'static [&'static str],
    /// The button's text on a card; `None` keeps it off the pages.
    pub button: Option<&'static str>,
}

impl VerbSpec {
    /// Whether it can be asked with so many arguments.
    pub fn takes(&self, count: usize) -> bool {
        let needed = self.args.iter().filter(|name| !name.ends_with('?')).count();
        (needed..=self.args.len()).contains(&count)
    }
}

/// What came of a verb.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// Done, nothing to say.
    Done,
    /// A sentence for a person.
    Text(String),
    /// The same, but worth a notice where nobody waits for an answer, e.g. after a click in the tray.
    Note(String),
    /// A value for a script.
    Json(serde_json::Value),
}

/// Why a verb was not carried out. The text is shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// The request makes no sense.
    #[error("{0}")]
    Usage(String),
    /// It was tried and did not work.
    #[error("{0}")]
    Failed(String),
    /// A person has to do something first.
    #[error("{0}")]
    NeedsUser(String),
}

impl ActError {
    /// The answer to a verb the module does not know.
    pub fn unknown_verb(verb: &Verb) -> Self {
        Self::Usage(format!("there is no command `{}` here", verb.name))
    }
}
