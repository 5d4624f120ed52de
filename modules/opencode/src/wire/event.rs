//! The event stream: one `data:` line of `GET /global/event`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Failure, FileChange, Info, Part, Permission, PermissionReply, Question, Session, SessionStatus, Todo,
};

/// One event of one folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The folder of the session or project; empty for events of the server itself.
    pub directory: String,
    /// What happened.
    pub event: Event,
}

/// What happened. Applying one twice must do no harm: the server sends several of them more than once.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The stream is open.
    Connected,
    /// Nothing; sent every ten seconds.
    Heartbeat,
    /// A session was made.
    SessionCreated(Box<Session>),
    /// A session changed; the value is complete.
    SessionUpdated(Box<Session>),
    /// A session was deleted; the value is its last.
    SessionDeleted(Box<Session>),
    /// What a session is doing; `busy` is repeated at every step.
    SessionStatus {
        /// `ses_…`
        session_id: String,
        /// Now.
        status: SessionStatus,
    },
    /// A turn is over. May come more than once, and before the last message's end and error.
    SessionIdle {
        /// `ses_…`
        session_id: String,
    },
    /// A turn failed.
    SessionError {
        /// Absent when no session is to blame.
        session_id: Option<String>,
        /// Why.
        error: Failure,
    },
    /// What a session has changed so far.
    SessionDiff {
        /// `ses_…`
        session_id: String,
        /// Per file.
        diff: Vec<FileChange>,
    },
    /// A session was shortened to a summary.
    SessionCompacted {
        /// `ses_…`
        session_id: String,
    },
    /// A message began or changed; complete but for its parts.
    MessageUpdated {
        /// `ses_…`
        session_id: String,
        /// The message.
        info: Box<Info>,
    },
    /// A message is gone.
    MessageRemoved {
        /// `ses_…`
        session_id: String,
        /// `msg_…`
        message_id: String,
    },
    /// A part began or changed; the value is complete.
    PartUpdated(Box<Part>),
    /// More text for a part. Worthless without the part; the next update is complete.
    PartDelta(Delta),
    /// A part is gone.
    PartRemoved {
        /// `ses_…`
        session_id: String,
        /// `msg_…`
        message_id: String,
        /// `prt_…`
        part_id: String,
    },
    /// A permission is asked for.
    PermissionAsked(Box<Permission>),
    /// A permission was answered, here or elsewhere.
    PermissionReplied {
        /// `ses_…`
        session_id: String,
        /// `per_…`
        request_id: String,
        /// How; absent when this program does not know the word.
        reply: Option<PermissionReply>,
    },
    /// The model asks something.
    QuestionAsked(Box<Question>),
    /// A question was answered or dismissed, here or elsewhere.
    QuestionClosed {
        /// `ses_…`
        session_id: String,
        /// `que_…`
        request_id: String,
    },
    /// A session's to-do list, complete.
    TodoUpdated {
        /// `ses_…`
        session_id: String,
        /// In order.
        todos: Vec<Todo>,
    },
    /// A folder's activity was ended; its permissions given "always" are forgotten. Refetch.
    InstanceDisposed {
        /// The folder.
        directory: String,
    },
    /// All activity was ended. Refetch.
    GlobalDisposed,
    /// What this program has no use for, or could not read.
    Other {
        /// Its name, e.g. `"plugin.added"`.
        name: String,
    },
}

/// More text for a part.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Delta {
    /// `ses_…`
    #[serde(rename = "sessionID")]
    pub session_id: String,
    /// `msg_…`
    #[serde(rename = "messageID")]
    pub message_id: String,
    /// `prt_…`
    #[serde(rename = "partID")]
    pub part_id: String,
    /// The part's field that grows, always `"text"` so far.
    pub field: String,
    /// What is appended.
    pub delta: String,
}

impl Line {
    /// Reads one line. `None` for what is no event at all and for the doubles the server sends: `sync` repeats each
    /// lasting event, and names with `.next.` or `.v2.` belong to an unfinished second API.
    pub fn parse(json: &str) -> Option<Self> {
        let outer: Outer<'_> = serde_json::from_str(json).ok()?;
        let payload = outer.payload?;
        let name = payload.name;
        if name == "sync" || name.contains(".next.") || name.contains(".v2.") {
            return None;
        }
        let properties = payload.properties.map_or("{}", RawValue::get);
        let event = Event::read(&name, properties).unwrap_or_else(|error| {
            tracing::debug!(%name, %error, "an event could not be read");
            Event::Other {
                name: name.to_string(),
            }
        });
        Some(Self {
            directory: outer
                .directory
                .map(std::borrow::Cow::into_owned)
                .unwrap_or_default(),
            event,
        })
    }
}

#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow, default)]
    directory: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    payload: Option<Payload<'a>>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, rename = "type")]
    name: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    properties: Option<&'a RawValue>,
}

/// The members events are made of. Each event uses some.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Members {
    #[serde(rename = "sessionID")]
    session_id: Option<String>,
    #[serde(rename = "messageID")]
    message_id: String,
    #[serde(rename = "partID")]
    part_id: String,
    #[serde(rename = "requestID")]
    request_id: String,
    directory: String,
    reply: String,
    error: Failure,
    diff: Vec<FileChange>,
    todos: Vec<Todo>,
}

#[derive(Deserialize)]
struct With<T> {
    #[serde(alias = "info", alias = "part", alias = "status")]
    value: T,
}

#[derive(Deserialize)]
struct WithInfo {
    #[serde(rename = "sessionID", default)]
    session_id: String,
    info: Box<Info>,
}

#[derive(Deserialize)]
struct WithStatus {
    #[serde(rename = "sessionID", default)]
    session_id: String,
    status: SessionStatus,
}

impl Event {
    fn read(name: &str, properties: &str) -> serde_json::Result<Self> {
        let members = || serde_json::from_str::<Members>(properties);
        let session = || serde_json::from_str::<With<Box<Session>>>(properties).map(|found| found.value);
        Ok(match name {
            "message.part.delta" => Self::PartDelta(serde_json::from_str(properties)?),
            "message.part.updated" => Self::PartUpdated(serde_json::from_str::<With<_>>(properties)?.value),
            "message.updated" => {
                let found: WithInfo = serde_json::from_str(properties)?;
                Self::MessageUpdated {
                    session_id: found.session_id,
                    info: found.info,
                }
            }
            "session.created" => Self::SessionCreated(session()?),
            "session.updated" => Self::SessionUpdated(session()?),
            "session.deleted" => Self::SessionDeleted(session()?),
            "session.status" => {
                let found: WithStatus = serde_json::from_str(properties)?;
                Self::SessionStatus {
                    session_id: found.session_id,
                    status: found.status,
                }
            }
            "permission.asked" => Self::PermissionAsked(serde_json::from_str(properties)?),
            "question.asked" => Self::QuestionAsked(serde_json::from_str(properties)?),
            "server.heartbeat" => Self::Heartbeat,
            "server.connected" => Self::Connected,
            "global.disposed" => Self::GlobalDisposed,
            other => Self::from_members(other, members)?,
        })
    }

    fn from_members(
        name: &str,
        members: impl Fn() -> serde_json::Result<Members>,
    ) -> serde_json::Result<Self> {
        let session_id = |found: &Members| found.session_id.clone().unwrap_or_default();
        Ok(match name {
            "session.idle" => Self::SessionIdle {
                session_id: session_id(&members()?),
            },
            "session.compacted" => Self::SessionCompacted {
                session_id: session_id(&members()?),
            },
            "session.error" => {
                let found = members()?;
                Self::SessionError {
                    session_id: found.session_id,
                    error: found.error,
                }
            }
            "session.diff" => {
                let found = members()?;
                Self::SessionDiff {
                    session_id: session_id(&found),
                    diff: found.diff,
                }
            }
            "message.removed" => {
                let found = members()?;
                Self::MessageRemoved {
                    session_id: session_id(&found),
                    message_id: found.message_id,
                }
            }
            "message.part.removed" => {
                let found = members()?;
                Self::PartRemoved {
                    session_id: session_id(&found),
                    message_id: found.message_id,
                    part_id: found.part_id,
                }
            }
            "permission.replied" => {
                let found = members()?;
                let reply = serde_json::Value::String(found.reply.clone());
                Self::PermissionReplied {
                    session_id: session_id(&found),
                    request_id: found.request_id,
                    reply: PermissionReply::deserialize(reply).ok(),
                }
            }
            "question.replied" | "question.rejected" => {
                let found = members()?;
                Self::QuestionClosed {
                    session_id: session_id(&found),
                    request_id: found.request_id,
                }
            }
            "todo.updated" => {
                let found = members()?;
                Self::TodoUpdated {
                    session_id: session_id(&found),
                    todos: found.todos,
                }
            }
            "server.instance.disposed" => Self::InstanceDisposed {
                directory: members()?.directory,
            },
            other => Self::Other {
                name: other.to_owned(),
            },
        })
    }

    /// The session it is about, if it is about one.
    pub fn session_id(&self) -> Option<&str> {
        match self {
            Self::SessionCreated(session) | Self::SessionUpdated(session) | Self::SessionDeleted(session) => {
                Some(&session.id)
            }
            Self::SessionStatus { session_id, .. }
            | Self::SessionIdle { session_id }
            | Self::SessionDiff { session_id, .. }
            | Self::SessionCompacted { session_id }
            | Self::MessageUpdated { session_id, .. }
            | Self::MessageRemoved { session_id, .. }
            | Self::PartRemoved { session_id, .. }
            | Self::PermissionReplied { session_id, .. }
            | Self::QuestionClosed { session_id, .. }
            | Self::TodoUpdated { session_id, .. } => Some(session_id),
            Self::SessionError { session_id, .. } => session_id.as_deref(),
            Self::PartUpdated(part) => Some(&part.session_id),
            Self::PartDelta(delta) => Some(&delta.session_id),
            Self::PermissionAsked(permission) => Some(&permission.session_id),
            Self::QuestionAsked(question) => Some(&question.session_id),
            Self::Connected
            | Self::Heartbeat
            | Self::InstanceDisposed { .. }
            | Self::GlobalDisposed
            | Self::Other { .. } => None,
        }
    }
}
