//! The settings file: read once, replaced atomically, watched by section.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use tokio::sync::watch;
use toml_edit::{DocumentMut, Item, Table};

use super::{
    Fault, Field, Problem, Section, SettingsError,
    value::{find, place, read_value, section_table, shown},
};
use crate::files;

/// A section's current value. Cheap to clone; changes arrive through [`changed`](Self::changed).
#[derive(Debug, Clone)]
pub struct Setting<T>(watch::Receiver<T>);

impl<T: Clone> Setting<T> {
    /// The value now.
    pub fn get(&self) -> T {
        self.0.borrow().clone()
    }

    /// Waits for the next change and gives the new value; never returns once the file is closed for good.
    pub async fn changed(&mut self) -> T {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.0.borrow_and_update().clone()
    }

    /// A value that never changes, for tests and for programs without a file.
    pub fn fixed(value: T) -> Self {
        Self(watch::channel(value).1)
    }
}

/// A setting as `nexus settings list` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The section.
    pub section: &'static str,
    /// The field.
    pub field: &'static Field,
    /// The value in force, as TOML.
    pub value: String,
    /// Whether the file says it, rather than the default.
    pub is_set: bool,
}

/// The file and everybody who watches it.
pub struct SettingsFile {
    path: PathBuf,
    inner: Mutex<Inner>,
    /// How many edits there were.
    edits: watch::Sender<u64>,
}

struct Inner {
    document: DocumentMut,
    /// What the file held when it was read or written last; `None` when it could not be read.
    text: Option<Vec<u8>>,
    sections: BTreeMap<&'static str, Registered>,
    problems: Vec<Problem>,
    is_writable: bool,
}

type Apply = Box<dyn Fn(&Table, Publish) -> Result<(), String> + Send>;

struct Registered {
    fields: &'static [Field],
    defaults: Table,
    /// Parses the section's table; publishes it when the second argument says so.
    apply: Apply,
    watched: Box<dyn std::any::Any + Send>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Publish {
    Yes,
    No,
}

impl SettingsFile {
    /// Reads the file. A missing one is an empty one; a broken one is kept aside and defaults are used, because the
    /// program has to start. What happened is in [`problems`](Self::problems).
    pub fn open(path: &Path, now: SystemTime) -> Self {
        Self::read(path, |path| files::quarantine(path, now).ok())
    }

    /// Reads the file and leaves it as it is, broken or not.
    pub fn look(path: &Path) -> Self {
        Self::read(path, |_| None)
    }

    fn read(path: &Path, put_aside: impl FnOnce(&Path) -> Option<PathBuf>) -> Self {
        let mut problems = Vec::new();
        let mut is_writable = true;
        let text = std::fs::read(path);
        let document = match &text {
            Ok(bytes) => match understood(bytes) {
                Ok(document) => document,
                Err(fault) => {
                    let kept = put_aside(path);
                    is_writable = kept.is_some();
                    problems.push(Problem::Corrupt { fault, kept });
                    DocumentMut::new()
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => DocumentMut::new(),
            Err(error) => {
                is_writable = false;
                problems.push(Problem::Unreadable(error.to_string()));
                DocumentMut::new()
            }
        };
        let inner = Inner {
            document,
            text: text.ok(),
            sections: BTreeMap::new(),
            problems,
            is_writable,
        };
        Self {
            path: path.to_owned(),
            inner: Mutex::new(inner),
            edits: watch::Sender::new(0),
        }
    }

    /// Counts edits, for whoever looks at the file as a whole. What is watched by section has its value by then.
    pub fn edits(&self) -> watch::Receiver<u64> {
        self.edits.subscribe()
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was wrong with the file, newest last.
    pub fn problems(&self) -> Vec<Problem> {
        self.lock().problems.clone()
    }

    /// Makes a section known and gives its value to watch. Asking again gives the same value.
    ///
    /// # Panics
    /// When two different types claim one section: a mistake in the wiring.
    pub fn section<T: Section>(&self) -> Setting<T> {
        let mut inner = self.lock();
        if let Some(known) = inner.sections.get(T::ID) {
            let sender: &watch::Sender<T> = known
                .watched
                .downcast_ref()
                .expect("a section has one type: see the list of modules");
            return Setting(sender.subscribe());
        }
        let sender = watch::Sender::new(T::default());
        let receiver = sender.subscribe();
        let publisher = sender.clone();
        let registered = Registered {
            fields: T::FIELDS,
            defaults: default_table::<T>(),
            apply: Box::new(move |table, publish| {
                let value: T = parse(table)?;
                value.check()?;
                if publish == Publish::Yes {
                    publisher.send_if_modified(|held| {
                        let is_new = *held != value;
                        if is_new {
                            *held = value.clone();
                        }
                        is_new
                    });
                }
                Ok(())
            }),
            watched: Box::new(sender),
        };
        let table = section_table(&inner.document, T::ID);
        if let Err((key, expectation)) = check(T::ID, &registered, &table, Publish::Yes) {
            inner.problems.push(Problem::BadSection { key, expectation });
        }
        inner.sections.insert(T::ID, registered);
        Setting(receiver)
    }

    /// Takes up what somebody has changed in the file by hand since it was read or written last: what fits is in force
    /// from now on, a section with something that does not keeps the values it had.
    ///
    /// # Errors
    /// [`SettingsError::Damaged`]; everything stays as it is then.
    fn take_up(&self, inner: &mut Inner) -> Result<(), SettingsError> {
        // A file that cannot be read now, or is gone, says nothing new.
        let Ok(text) = std::fs::read(&self.path) else {
            return Ok(());
        };
        if !inner.is_writable || inner.text.as_ref() == Some(&text) {
            return Ok(());
        }
        let document = understood(&text).map_err(SettingsError::Damaged)?;
        // The file that was damaged has been replaced by its owner.
        inner.problems.clear();
        for (section, registered) in &inner.sections {
            let table = section_table(&document, section);
            if let Err((key, expectation)) = check(section, registered, &table, Publish::Yes) {
                inner.problems.push(Problem::BadSection { key, expectation });
            }
        }
        inner.document = document;
        inner.text = Some(text);
        self.edits.send_modify(|count| *count += 1);
        tracing::info!(target: "audit", event = "setting", key = "settings.toml", "the settings file was changed by hand");
        Ok(())
    }

    /// All settings of all known sections, with the values in force.
    pub fn list(&self) -> Vec<Entry> {
        let mut inner = self.lock();
        if let Err(error) = self.take_up(&mut inner) {
            tracing::warn!("{error}");
        }
        let mut entries = Vec::new();
        for (section, registered) in &inner.sections {
            let table = section_table(&inner.document, section);
            for field in registered.fields {
                let set = find(&table, field.key);
                let value = set.or_else(|| find(&registered.defaults, field.key));
                entries.push(Entry {
                    section,
                    field,
                    value: value.map(shown).unwrap_or_default(),
                    is_set: set.is_some(),
                });
            }
        }
        entries
    }

    /// The value of `key` (`"opencode.port"`) as TOML text.
    ///
    /// # Errors
    /// [`SettingsError::UnknownKey`].
    pub fn get(&self, key: &str) -> Result<String, SettingsError> {
        let found = self.list().into_iter().find(|entry| {
            key.strip_prefix(entry.section)
                .and_then(|rest| rest.strip_prefix('.'))
                == Some(entry.field.key)
        });
        found
            .map(|entry| entry.value)
            .ok_or_else(|| SettingsError::UnknownKey(key.to_owned()))
    }

    /// Sets `key` to `value`, written as in TOML; a bare word is text. Saved before anybody sees it.
    ///
    /// # Errors
    /// [`SettingsError::UnknownKey`] and [`SettingsError::BadValue`] change nothing. After
    /// [`SettingsError::NotSaved`] the value is in force but will be gone with the agent.
    pub fn set(&self, key: &str, value: &str) -> Result<(), SettingsError> {
        self.edit(key, |field| {
            let item = read_value(value, field.kind);
            field.kind.check(&item).map(|()| Some(item))
        })
    }

    /// Takes `key` out of the file, so that its default is in force.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn reset(&self, key: &str) -> Result<(), SettingsError> {
        self.edit(key, |_| Ok(None))
    }

    fn edit(
        &self,
        key: &str,
        value: impl FnOnce(&Field) -> Result<Option<Item>, String>,
    ) -> Result<(), SettingsError> {
        let unknown = || SettingsError::UnknownKey(key.to_owned());
        let bad = |expectation| SettingsError::BadValue {
            key: key.to_owned(),
            expectation,
        };
        let (section, rest) = key.split_once('.').ok_or_else(unknown)?;
        let mut inner = self.lock();
        self.take_up(&mut inner)?;
        let inner = &mut *inner;
        let registered = inner.sections.get(section).ok_or_else(unknown)?;
        let field = Field::at(registered.fields, rest).ok_or_else(unknown)?;
        let item = value(&field).map_err(bad)?;
        let told = field.kind.told(item.as_ref());
        let mut document = inner.document.clone();
        place(&mut document, key, item);
        let table = section_table(&document, section);
        let misfit = |(place, expectation): (String, String)| {
            // What does not fit together names its own keys.
            if place == section {
                SettingsError::BadSection(expectation)
            } else {
                bad(expectation)
            }
        };
        check(section, registered, &table, Publish::No).map_err(misfit)?;
        let text = document.to_string().into_bytes();
        let saved = if inner.is_writable {
            files::replace(&self.path, &text)
        } else {
            Err(io::Error::other("the file that is there could not be read"))
        };
        // The second pass cannot fail: the same table has just been checked.
        check(section, registered, &table, Publish::Yes).map_err(misfit)?;
        inner.document = document;
        if saved.is_ok() {
            inner.text = Some(text);
        }
        // The section has just been found to be well.
        inner.problems.retain(|problem| !problem.is_about(section));
        self.edits.send_modify(|count| *count += 1);
        tracing::info!(target: "audit", event = "setting", key, value = told, "a setting was changed");
        saved.map_err(|source| SettingsError::NotSaved {
            path: self.path.clone(),
            source,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while the lock is held; if it ever does, the document is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn understood(bytes: &[u8]) -> Result<DocumentMut, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let readable = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        Fault::at(&readable, readable.len(), "this is no UTF-8 text")
    })?;
    text.parse().map_err(|error: toml_edit::TomlError| {
        let offset = error.span().map_or(0, |span| span.start);
        Fault::at(text, offset, error.message())
    })
}

fn check(
    section: &str,
    registered: &Registered,
    table: &Table,
    publish: Publish,
) -> Result<(), (String, String)> {
    for field in registered.fields {
        if let Some(item) = find(table, field.key) {
            let named = |expectation| (format!("{section}.{}", field.key), expectation);
            field.kind.check(item).map_err(named)?;
        }
    }
    (registered.apply)(table, publish).map_err(|expectation| (section.to_owned(), expectation))
}

fn parse<T: Section>(table: &Table) -> Result<T, String> {
    let document = DocumentMut::from(table.clone());
    toml_edit::de::from_document(document).map_err(|error| error.message().to_owned())
}

fn default_table<T: Section>() -> Table {
    // A section that cannot be written as TOML shows no defaults; the test of each section's fields would tell.
    toml_edit::ser::to_document(&T::default())
        .map(|document| document.as_table().clone())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
