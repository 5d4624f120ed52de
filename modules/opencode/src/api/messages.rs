//! Messages and prompts.

use serde::Serialize;

use super::{
    Api, ApiError,
    call::{Call, TURN_TIMEOUT},
};
use crate::wire::{Message, ModelRef, PartInput, Prompt};

/// A page of messages, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MessagePage {
    /// The messages with their parts.
    pub messages: Vec<Message>,
    /// Where the page before this one (older messages) begins; `None` when this one holds the first message.
    pub older: Option<String>,
}

/// A prepared prompt to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CommandCall {
    /// Its name, without the slash.
    pub command: String,
    /// What follows it.
    pub arguments: String,
    /// An id of one's own, from [`message_id`](crate::wire::message_id): sent twice under it, the turn runs once. The
    /// words of the second try are added to the message all the same.
    #[serde(rename = "messageID", skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The session's agent where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// `"provider/model"`; the session's model where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Files to attach.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartInput>,
}

/// A shell command a person runs inside a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ShellCall {
    /// The command line.
    pub command: String,
    /// In whose name.
    pub agent: String,
    /// The session's model where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelRef>,
}

impl Api {
    /// The newest `limit` messages, or those before the cursor `before`.
    pub async fn messages(
        &self,
        directory: &str,
        id: &str,
        limit: usize,
        before: Option<&str>,
    ) -> Result<MessagePage, ApiError> {
        let call = Call::get(&["session", id, "message"], directory)
            .query("limit", limit)
            .query_some("before", before);
        let answer = self.send(call).await?;
        Ok(MessagePage {
            messages: answer.read()?,
            older: answer.next_cursor,
        })
    }

    /// One message.
    pub async fn message(&self, directory: &str, id: &str, message: &str) -> Result<Message, ApiError> {
        self.fetch(Call::get(&["session", id, "message", message], directory))
            .await
    }

    /// Sends a prompt. Returns once the server has it; the answer comes as events. A busy session queues it.
    pub async fn prompt(&self, directory: &str, id: &str, prompt: &Prompt) -> Result<(), ApiError> {
        self.tell(Call::post(&["session", id, "prompt_async"], directory).json(prompt))
            .await
    }

    /// Runs a prepared prompt. Returns only when its turn is over, which may take hours: run it beside other work.
    pub async fn command(&self, directory: &str, id: &str, command: &CommandCall) -> Result<(), ApiError> {
        let call = Call::post(&["session", id, "command"], directory);
        self.tell(call.json(command).timeout(TURN_TIMEOUT)).await
    }

    /// Runs a shell command. Returns only when it has ended. Refused with 409 while the session is busy.
    pub async fn shell(&self, directory: &str, id: &str, shell: &ShellCall) -> Result<(), ApiError> {
        let call = Call::post(&["session", id, "shell"], directory);
        self.tell(call.json(shell).timeout(TURN_TIMEOUT)).await
    }

    /// Replaces what was said so far by a summary. Returns only when that is written.
    pub async fn compact(&self, directory: &str, id: &str, model: &ModelRef) -> Result<(), ApiError> {
        let call = Call::post(&["session", id, "summarize"], directory);
        self.tell(call.json(model).timeout(TURN_TIMEOUT)).await
    }
}
