//! What opencode says over HTTP, as far as this program uses it.
//!
//! Mirrors the API of opencode 1.18.33. Reading is forgiving, because a newer server must not break an older
//! agent: fields we do not know are skipped, missing ones take their default, and kinds of events, parts, roles and
//! tool states we do not know are kept as `Other`. Ids are texts such as `ses_…`, `msg_…`, `prt_…`, and sort by time.

mod catalog;
mod event;
mod files;
mod id;
mod input;
mod message;
mod number;
mod part;
mod request;
mod session;

pub use catalog::{Agent, AgentMode, Command, Modalities, Model, ModelCost, ModelLimit, Provider, Providers};
pub use event::{Delta, Event, Line};
pub use files::{FileKind, FileNode, Paths};
pub use id::{message_id, message_id_at};
pub use input::{ModelRef, NewSession, Part as PartInput, Prompt};
pub use message::{Assistant, Failure, Info, Message, User};
pub use number::Millis;
pub use part::{Attachment, Part, PartKind, Span, ToolCall, ToolState};
pub use request::{Permission, PermissionReply, Question, QuestionItem, QuestionOption, ToolRef};
pub use session::{
    FileChange, Project, Revert, Session, SessionModel, SessionStatus, SessionTime, Summary, Todo, Tokens,
};

#[cfg(test)]
mod tests;
