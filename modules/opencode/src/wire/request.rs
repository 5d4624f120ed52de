//! What opencode asks a person: `GET /permission`, `GET /question` and their events.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A request for permission.
///
/// It outlives an abort and the deletion of its session without any event: treat it as void once the session is idle
/// or gone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Permission {
    /// `per_…`
    pub id: String,
    /// `ses_…`; may be a sub-agent's session.
    #[serde(rename = "sessionID")]
    pub session_id: String,
    /// `bash`, `edit`, `external_directory`, `webfetch`, `doom_loop`, …
    pub permission: String,
    /// What is asked for, e.g. the command.
    pub patterns: Vec<String>,
    /// `command` for bash; `filepath` and `diff` for edit; `filepath` and `parentDir` for folders outside.
    pub metadata: Map<String, Value>,
    /// What "always" would allow from now on, e.g. `"git *"`.
    pub always: Vec<String>,
    /// The tool call it is about. That call's part may arrive later than the request.
    pub tool: Option<ToolRef>,
}

/// Names a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ToolRef {
    /// `msg_…`
    #[serde(rename = "messageID")]
    pub message_id: String,
    /// As in [`ToolCall`](super::ToolCall).
    #[serde(rename = "callID")]
    pub call_id: String,
}

/// The answer to a request for permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PermissionReply {
    /// This time.
    Once,
    /// From now on in this folder, until the server restarts.
    Always,
    /// No. With a message the model goes on with it; without one the turn ends.
    Reject,
}

/// One or more questions of the model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Question {
    /// `que_…`
    pub id: String,
    /// `ses_…`
    #[serde(rename = "sessionID")]
    pub session_id: String,
    /// Answered together.
    pub questions: Vec<QuestionItem>,
    /// The tool call it is about.
    pub tool: Option<ToolRef>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionItem {
    /// In full.
    #[serde(default)]
    pub question: String,
    /// In a word or two.
    #[serde(default)]
    pub header: String,
    /// What can be chosen.
    #[serde(default)]
    pub options: Vec<QuestionOption>,
    /// Whether several may be chosen.
    #[serde(default, rename = "multiple")]
    pub is_multiple: bool,
    /// Whether words of one's own are welcome; they are, unless said otherwise.
    #[serde(default = "yes", rename = "custom")]
    pub takes_own_words: bool,
}

fn yes() -> bool {
    true
}

/// One choice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct QuestionOption {
    /// What is sent back.
    pub label: String,
    /// What it means.
    pub description: String,
}
