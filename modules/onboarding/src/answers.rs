//! What the person answered, and what is wrong with it.

use std::path::{Path, PathBuf};

use kit::{Secret, SettingsError, SettingsFile};
use serde::Deserialize;

use crate::Login;

/// Folders one person can name; far more than anybody opens a tray for.
const FOLDERS_MAX: usize = 32;

/// How others are kept out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Choice {
    /// With the passphrase on the page.
    #[default]
    Passphrase,
    /// With a password of their own.
    Own,
    /// Not decided yet: the chat stays at the machine.
    Later,
}

/// The form as it was sent.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answers {
    pub(crate) choice: Choice,
    /// The phrase that was shown.
    pub(crate) passphrase: String,
    /// The person's own.
    pub(crate) password: String,
    /// Value of `opencode.ask`.
    pub(crate) ask: String,
    /// One folder a line.
    pub(crate) folders: String,
    /// Sent when the box is ticked.
    pub(crate) at_login: Option<String>,
}

/// One sentence for each part of the form that has to be mended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Problems {
    pub(crate) password: Option<String>,
    pub(crate) ask: Option<String>,
    pub(crate) folders: Option<String>,
    pub(crate) at_login: Option<String>,
}

impl Problems {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Answers {
    /// What the form shows the first time: the settings in force.
    pub(crate) fn from_settings(settings: &SettingsFile) -> Self {
        // A key that is not built in leaves its part of the form at its default.
        let value = |key| settings.get(key).unwrap_or_default();
        let text = |toml: String| serde_json::from_str(&toml).unwrap_or(toml);
        let folders: Vec<String> = serde_json::from_str(&value("chat.projects")).unwrap_or_default();
        Self {
            ask: text(value("opencode.ask")),
            folders: folders.join("\n"),
            ..Self::default()
        }
    }

    /// What should happen at login.
    pub(crate) fn login(&self) -> Login {
        match self.at_login {
            Some(_) => Login::Starts,
            None => Login::Waits,
        }
    }

    /// Ticks the box, or does not.
    pub(crate) fn set_login(&mut self, login: Login) {
        self.at_login = match login {
            Login::Starts => Some("on".to_owned()),
            Login::Waits => None,
        };
    }

    /// The password to set, if the person chose one.
    pub(crate) fn password(&self) -> Option<Secret> {
        match self.choice {
            Choice::Passphrase => Some(Secret::new(self.passphrase.clone())),
            Choice::Own => Some(Secret::new(self.password.clone())),
            Choice::Later => None,
        }
    }

    /// What can be told without asking anybody.
    pub(crate) fn check(&self, has_password: bool) -> Problems {
        let mut problems = Problems::default();
        let missing = self
            .password()
            .is_some_and(|password| password.expose().is_empty());
        if missing && !has_password {
            problems.password = Some("Enter a password, or choose one of the other two.".to_owned());
        }
        problems.folders = self.paths().err();
        problems
    }

    /// The folders as absolute paths, without repeats.
    fn paths(&self) -> Result<Vec<PathBuf>, String> {
        let home = std::env::home_dir();
        let mut paths = Vec::new();
        for line in self
            .folders
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let path = expand(line, home.as_deref());
            if !path.is_absolute() {
                return Err(format!("`{line}` is not a whole path: begin with / or ~."));
            }
            if !path.is_dir() {
                return Err(format!(
                    "There is no folder `{line}`. Create it, or correct the path."
                ));
            }
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        if paths.len() > FOLDERS_MAX {
            return Err(format!("At most {FOLDERS_MAX} folders fit here."));
        }
        Ok(paths)
    }

    /// Puts the choices into the settings file.
    pub(crate) fn store(&self, settings: &SettingsFile) -> Problems {
        let mut problems = Problems::default();
        if !self.ask.is_empty() {
            problems.ask = settings.set("opencode.ask", &self.ask).err().map(sentence);
        }
        match self.paths() {
            Ok(paths) => {
                let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
                // A JSON list of strings is a TOML one too.
                let list = serde_json::json!(paths).to_string();
                problems.folders = settings.set("chat.projects", &list).err().map(sentence);
            }
            Err(problem) => problems.folders = Some(problem),
        }
        problems
    }
}

fn expand(line: &str, home: Option<&Path>) -> PathBuf {
    match (line.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) => match rest.strip_prefix('/') {
            Some(rest) => home.join(rest),
            None => PathBuf::from(line),
        },
        _ => PathBuf::from(line),
    }
}

fn sentence(error: SettingsError) -> String {
    format!("{error}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(choice: Choice, password: &str, folders: &str) -> Answers {
        Answers {
            choice,
            password: password.to_owned(),
            folders: folders.to_owned(),
            ..Answers::default()
        }
    }

    #[test]
    fn an_empty_password_is_only_wrong_where_one_is_needed() {
        let wrong = Some("Enter a password, or choose one of the other two.".to_owned());

        assert_eq!(answers(Choice::Own, "", "").check(false).password, wrong);
        assert_eq!(answers(Choice::Own, "", "").check(true).password, None);
        assert_eq!(answers(Choice::Later, "", "").check(false).password, None);
    }

    #[test]
    fn folders_are_whole_paths_that_exist() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();

        assert_eq!(
            answers(Choice::Later, "", &format!(" {path}\n\n{path}\n")).paths(),
            Ok(vec![path.into()])
        );
        assert_eq!(
            answers(Choice::Later, "", "code").paths(),
            Err("`code` is not a whole path: begin with / or ~.".to_owned())
        );
        assert_eq!(
            answers(Choice::Later, "", &format!("{path}/none")).paths(),
            Err(format!(
                "There is no folder `{path}/none`. Create it, or correct the path."
            ))
        );
    }

    #[test]
    fn a_tilde_is_the_home_folder() {
        let home = Some(Path::new("/home/ada"));

        assert_eq!(expand("~", home), Path::new("/home/ada"));
        assert_eq!(expand("~/code", home), Path::new("/home/ada/code"));
        assert_eq!(expand("~bob/code", home), Path::new("~bob/code"));
    }
}
