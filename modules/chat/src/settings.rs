//! `[chat]` in the settings file.

use kit::{Applies, Field, Kind, Section};
use serde::{Deserialize, Serialize};

/// The chat's settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatSettings {
    /// Folders that new sessions can be made in, the first one preselected. Empty means the home folder.
    pub projects: Vec<String>,
}

impl Section for ChatSettings {
    const ID: &'static str = "chat";
    const FIELDS: &'static [Field] = &[Field {
        key: "projects",
        label: "Project folders",
        help: "Folders offered for new sessions, one per line. Folders of existing sessions are offered as well.",
        kind: Kind::List,
        applies: Applies::Now,
    }];

    fn check(&self) -> Result<(), String> {
        match self
            .projects
            .iter()
            .find(|folder| !std::path::Path::new(folder).is_absolute())
        {
            Some(folder) => Err(format!(
                "`projects` must hold absolute paths, and {folder} is none"
            )),
            None => Ok(()),
        }
    }
}
