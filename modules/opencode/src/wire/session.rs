//! Sessions: `GET /session`, `GET /experimental/session`, `GET /session/status`, `GET /session/{id}/todo|diff`.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Millis, number::whole};

/// One conversation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// `ses_…`; newer sessions sort first.
    pub id: String,
    /// The project's id: hash of the repository's first commit, or `"global"`.
    #[serde(rename = "projectID")]
    pub project_id: String,
    /// The folder all its turns run in.
    pub directory: String,
    /// Set on the session of a sub-agent.
    #[serde(rename = "parentID", skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// `"New session - <time>"` until the first prompt has been named.
    pub title: String,
    /// The agent of the last prompt.
    pub agent: Option<String>,
    /// The model of the last prompt.
    pub model: Option<SessionModel>,
    /// The server version that made it.
    pub version: String,
    /// US dollars so far.
    pub cost: f64,
    /// Tokens so far.
    pub tokens: Tokens,
    /// Files it has changed.
    pub summary: Option<Summary>,
    /// Set while messages from `message_id` on are taken back.
    pub revert: Option<Revert>,
    /// When.
    pub time: SessionTime,
    /// Only in lists across projects.
    pub project: Option<Project>,
}

impl Session {
    /// Whether the server has not named it yet.
    pub fn is_unnamed(&self) -> bool {
        self.title.is_empty()
            || self.title.starts_with("New session - ")
            || self.title.starts_with("Child session - ")
    }
}

/// When a session was made and last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionTime {
    /// Made.
    pub created: Millis,
    /// Last changed.
    pub updated: Millis,
    /// Put away, if it is.
    #[serde(deserialize_with = "put_away")]
    pub archived: Option<Millis>,
}

/// The moment 0 says that a session was had back: the server keeps the last moment it is told and never forgets it.
fn put_away<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Millis>, D::Error> {
    let at = Option::<Millis>::deserialize(input)?;
    Ok(at.filter(|at| at.0 > 0))
}

/// The model of a session's last prompt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionModel {
    /// E.g. `"chat-1"`.
    pub id: String,
    /// E.g. `"local"`.
    #[serde(rename = "providerID")]
    pub provider_id: String,
    /// How hard it thinks, where the model knows such variants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// Tokens used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tokens {
    /// Read by the model.
    #[serde(deserialize_with = "whole")]
    pub input: u64,
    /// Written by the model.
    #[serde(deserialize_with = "whole")]
    pub output: u64,
    /// Spent on thinking.
    #[serde(deserialize_with = "whole")]
    pub reasoning: u64,
    /// Served from and put into the vendor's cache.
    pub cache: Cache,
}

impl Tokens {
    /// What the last step filled of the model's context.
    pub fn context(&self) -> u64 {
        self.input + self.output + self.reasoning + self.cache.read + self.cache.write
    }
}

/// Tokens of the vendor's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cache {
    /// Served from it.
    #[serde(deserialize_with = "whole")]
    pub read: u64,
    /// Put into it.
    #[serde(deserialize_with = "whole")]
    pub write: u64,
}

/// What a session changed in its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Lines added.
    #[serde(deserialize_with = "whole")]
    pub additions: u64,
    /// Lines removed.
    #[serde(deserialize_with = "whole")]
    pub deletions: u64,
    /// Files touched.
    #[serde(deserialize_with = "whole")]
    pub files: u64,
}

/// From where on a session is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Revert {
    /// Messages with this id or a later one stay in the listing and are to be hidden.
    #[serde(rename = "messageID")]
    pub message_id: String,
    /// From this part on only.
    #[serde(rename = "partID", skip_serializing_if = "Option::is_none")]
    pub part_id: Option<String>,
}

/// The project a session of the list across projects belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Project {
    /// As [`Session::project_id`].
    pub id: String,
    /// A name the user gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The repository's folder, or `/`.
    pub worktree: String,
}

/// What a session is doing; the map of `GET /session/status` leaves idle ones out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum SessionStatus {
    /// Nothing.
    Idle,
    /// Works, or waits for an answer.
    Busy,
    /// The model's vendor failed; the server tries again by itself, without end.
    Retry {
        /// Counts from 1.
        #[serde(default, deserialize_with = "whole")]
        attempt: u64,
        /// What the vendor said.
        #[serde(default)]
        message: String,
        /// When the next attempt is made.
        #[serde(default)]
        next: Millis,
    },
    /// A state this program does not know; as good as busy.
    #[serde(other)]
    Other,
}

impl SessionStatus {
    /// Whether a turn is under way.
    pub fn is_busy(&self) -> bool {
        !matches!(self, Self::Idle)
    }
}

/// One line of a session's to-do list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Todo {
    /// What is to be done.
    pub content: String,
    /// `pending`, `in_progress`, `completed` or `cancelled`.
    pub status: String,
    /// `high`, `medium` or `low`.
    pub priority: String,
}

/// One changed file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FileChange {
    /// Its path.
    pub file: String,
    /// A unified diff.
    pub patch: String,
    /// Lines added.
    #[serde(deserialize_with = "whole")]
    pub additions: u64,
    /// Lines removed.
    #[serde(deserialize_with = "whole")]
    pub deletions: u64,
    /// `added`, `deleted` or `modified`.
    pub status: String,
}
