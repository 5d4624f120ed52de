//! Parts of a message: `message.part.updated` and the listings.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{Failure, Millis, Tokens, number::whole};

/// One part of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// `prt_…`
    pub id: String,
    /// `ses_…`
    pub session_id: String,
    /// `msg_…`
    pub message_id: String,
    /// What it is.
    pub kind: PartKind,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum PartKind {
    /// Words.
    Text {
        /// Markdown from the model, plain text from a person.
        #[serde(default)]
        text: String,
        /// Put in by the server, not written by a person.
        #[serde(default, rename = "synthetic")]
        is_synthetic: bool,
        /// Not shown to the model.
        #[serde(default, rename = "ignored")]
        is_ignored: bool,
        /// Written from, to. Absent on prompts.
        #[serde(default)]
        time: Option<Span>,
    },
    /// The model's thinking.
    Reasoning {
        /// Markdown.
        #[serde(default)]
        text: String,
        /// From, to.
        #[serde(default)]
        time: Option<Span>,
    },
    /// A tool call.
    Tool(ToolCall),
    /// An attached file.
    File(Attachment),
    /// A step of the model begins. While a vendor is retried, only what follows the last one counts.
    StepStart {
        /// Names the state of the files, for undo.
        #[serde(default)]
        snapshot: Option<String>,
    },
    /// A step of the model is over.
    StepFinish {
        /// `stop`, `tool-calls`, `length`, …
        #[serde(default)]
        reason: String,
        /// US dollars.
        #[serde(default)]
        cost: f64,
        /// Tokens of the step.
        #[serde(default)]
        tokens: Tokens,
    },
    /// Files the step has changed.
    Patch {
        /// Absolute paths.
        #[serde(default)]
        files: Vec<String>,
    },
    /// An agent named in a prompt.
    Agent {
        /// E.g. `"general"`.
        #[serde(default)]
        name: String,
    },
    /// Work handed to a sub-agent.
    Subtask {
        /// What it is asked.
        #[serde(default)]
        prompt: String,
        /// In a few words.
        #[serde(default)]
        description: String,
        /// Which agent.
        #[serde(default)]
        agent: String,
    },
    /// The state of the files.
    Snapshot {
        /// Its name.
        #[serde(default)]
        snapshot: String,
    },
    /// The vendor failed and is asked again.
    Retry {
        /// Counts from 1.
        #[serde(default, deserialize_with = "whole")]
        attempt: u64,
        /// What it said.
        #[serde(default)]
        error: Failure,
    },
    /// The conversation before this was replaced by a summary.
    Compaction {
        /// Whether the server did it by itself.
        #[serde(default, rename = "auto")]
        is_automatic: bool,
    },
    /// A kind this program does not know, as it came.
    #[serde(skip)]
    Other {
        /// Its name.
        name: String,
        /// All of it.
        value: Value,
    },
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(input)?;
        let text = |name: &str| {
            let found = value.get(name).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        Ok(Self {
            id: text("id"),
            session_id: text("sessionID"),
            message_id: text("messageID"),
            kind: PartKind::deserialize(&value).unwrap_or_else(|_unknown| PartKind::Other {
                name: text("type"),
                value: value.clone(),
            }),
        })
    }
}

/// From when to when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Span {
    /// From.
    pub start: Millis,
    /// To; absent while it lasts.
    pub end: Option<Millis>,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ToolCall {
    /// Joins it with a permission or question about it.
    #[serde(default, rename = "callID")]
    pub call_id: String,
    /// `bash`, `read`, `edit`, …; becomes `invalid` when the model asked for one that is not there.
    #[serde(default)]
    pub tool: String,
    /// How far it is.
    pub state: ToolState,
}

/// How far a tool call is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum ToolState {
    /// The model is still writing the input.
    Pending {},
    /// Runs.
    Running {
        /// What the model asked for.
        #[serde(default)]
        input: Map<String, Value>,
        /// In a few words.
        #[serde(default)]
        title: Option<String>,
        /// Depends on the tool; `output` holds what a command has printed so far.
        #[serde(default)]
        metadata: Map<String, Value>,
        /// Since when.
        #[serde(default)]
        time: Span,
    },
    /// Done.
    Completed {
        /// What the model asked for.
        #[serde(default)]
        input: Map<String, Value>,
        /// What the model was told.
        #[serde(default)]
        output: String,
        /// In a few words.
        #[serde(default)]
        title: String,
        /// Depends on the tool.
        #[serde(default)]
        metadata: Map<String, Value>,
        /// From, to.
        #[serde(default)]
        time: Span,
        /// Files it gave back, e.g. pictures.
        #[serde(default)]
        attachments: Vec<Attachment>,
    },
    /// Failed, was rejected or broken off.
    Error {
        /// What the model asked for.
        #[serde(default)]
        input: Map<String, Value>,
        /// Why.
        #[serde(default)]
        error: String,
        /// Depends on the tool.
        #[serde(default)]
        metadata: Map<String, Value>,
        /// From, to.
        #[serde(default)]
        time: Span,
    },
    /// A state this program does not know.
    #[serde(other)]
    Other,
}

impl ToolState {
    /// What the model asked for; `None` while it is still being written.
    pub fn input(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Running { input, .. } | Self::Completed { input, .. } | Self::Error { input, .. } => {
                Some(input)
            }
            Self::Pending {} | Self::Other => None,
        }
    }
}

/// A file in a message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// E.g. `"image/png"`.
    pub mime: String,
    /// `data:` or `file://`.
    pub url: String,
    /// E.g. `"shot.png"`.
    pub filename: Option<String>,
}
