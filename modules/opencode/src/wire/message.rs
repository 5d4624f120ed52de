//! Messages: `GET /session/{id}/message`, `message.updated`.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Millis, ModelRef, Part, Tokens};

/// A message and what it is made of, parts in order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Message {
    /// Who, when, how it ended.
    pub info: Info,
    /// What it says and does.
    #[serde(default)]
    pub parts: Vec<Part>,
}

/// A message without its parts.
#[derive(Debug, Clone, PartialEq)]
pub enum Info {
    /// A person's prompt.
    User(User),
    /// One step of the model. A turn with two tool calls has three of them, with one `parent_id`.
    Assistant(Box<Assistant>),
    /// A role this program does not know, as it came.
    Other(Value),
}

impl Info {
    /// `msg_…`; empty only for a nameless message of an unknown role.
    pub fn id(&self) -> &str {
        match self {
            Self::User(user) => &user.id,
            Self::Assistant(assistant) => &assistant.id,
            Self::Other(value) => value.get("id").and_then(Value::as_str).unwrap_or_default(),
        }
    }

    /// The session it belongs to.
    pub fn session_id(&self) -> &str {
        match self {
            Self::User(user) => &user.session_id,
            Self::Assistant(assistant) => &assistant.session_id,
            Self::Other(value) => value.get("sessionID").and_then(Value::as_str).unwrap_or_default(),
        }
    }

    /// When it began.
    pub fn created(&self) -> Millis {
        match self {
            Self::User(user) => user.time.created,
            Self::Assistant(assistant) => assistant.time.created,
            Self::Other(_) => Millis::default(),
        }
    }
}

impl<'de> Deserialize<'de> for Info {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(input)?;
        let known = match value.get("role").and_then(Value::as_str) {
            Some("user") => User::deserialize(&value).map(Self::User),
            Some("assistant") => Assistant::deserialize(&value).map(|found| Self::Assistant(Box::new(found))),
            Some(_) | None => return Ok(Self::Other(value)),
        };
        Ok(known.unwrap_or(Self::Other(value)))
    }
}

/// A person's prompt.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// `msg_…`
    pub id: String,
    /// `ses_…`
    #[serde(rename = "sessionID")]
    pub session_id: String,
    /// When it was sent.
    pub time: MessageTime,
    /// The agent asked.
    pub agent: String,
    /// The model asked.
    pub model: ModelRef,
}

/// One step of the model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Assistant {
    /// `msg_…`
    pub id: String,
    /// `ses_…`
    #[serde(rename = "sessionID")]
    pub session_id: String,
    /// The prompt it answers.
    #[serde(rename = "parentID")]
    pub parent_id: String,
    /// E.g. `"chat-1"`.
    #[serde(rename = "modelID")]
    pub model_id: String,
    /// E.g. `"local"`.
    #[serde(rename = "providerID")]
    pub provider_id: String,
    /// E.g. `"build"`; `"compaction"` for a summary.
    pub agent: String,
    /// When.
    pub time: MessageTime,
    /// US dollars.
    pub cost: f64,
    /// Tokens of this step.
    pub tokens: Tokens,
    /// `"stop"`, `"tool-calls"`, `"length"`, …; absent while it runs.
    pub finish: Option<String>,
    /// Why it broke off.
    pub error: Option<Failure>,
    /// Whether it is the summary a compaction left.
    #[serde(rename = "summary")]
    pub is_summary: bool,
    /// How hard the model was asked to think.
    pub variant: Option<String>,
}

/// When a message began and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageTime {
    /// Began.
    pub created: Millis,
    /// Ended. Absent for ever on a message cut off by the server's death.
    pub completed: Option<Millis>,
}

/// Why a message or a session broke off, e.g. `{"name":"APIError","data":{"message":"…","statusCode":429}}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// `APIError`, `ProviderAuthError`, `MessageAbortedError`, `ContextOverflowError`, `UnknownError`, …
    pub name: String,
    /// Depends on the name.
    pub data: Value,
}

impl Failure {
    /// What happened, as the server or the model's vendor words it; the name where there are no words.
    pub fn message(&self) -> &str {
        let words = self.data.get("message").and_then(Value::as_str);
        words.filter(|words| !words.is_empty()).unwrap_or(&self.name)
    }

    /// Whether a person broke it off.
    pub fn is_abort(&self) -> bool {
        self.name == "MessageAbortedError"
    }
}
