//! What this program sends: bodies of `POST /session`, `POST /session/{id}/prompt_async`.

use serde::{Deserialize, Serialize};

use super::SessionModel;

/// Names a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelRef {
    /// E.g. `"local"`.
    #[serde(rename = "providerID")]
    pub provider_id: String,
    /// E.g. `"chat-1"`.
    #[serde(rename = "modelID")]
    pub model_id: String,
    /// Only told by the server; a prompt has a field of its own for it.
    #[serde(skip_serializing)]
    pub variant: Option<String>,
}

/// A session to make. All of it is optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewSession {
    /// A name; without one the first prompt gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The agent to begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The model to begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<SessionModel>,
}

/// A prompt to send.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Prompt {
    /// What it says.
    pub parts: Vec<Part>,
    /// An id of one's own, from [`message_id`](super::message_id): the prompt can be shown before the server has it,
    /// and sending it twice keeps it one.
    #[serde(rename = "messageID", skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The session's model where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelRef>,
    /// The session's agent where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// One of the model's variants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Prompt {
    /// Words alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            parts: vec![Part::Text { text: text.into() }],
            ..Self::default()
        }
    }
}

/// One part of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Part {
    /// Words.
    Text {
        /// As typed.
        text: String,
    },
    /// A file.
    File {
        /// E.g. `"image/png"`.
        mime: String,
        /// `data:` or `file://`.
        url: String,
        /// E.g. `"shot.png"`.
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
    },
    /// An agent to hand work to.
    Agent {
        /// E.g. `"general"`.
        name: String,
    },
}
