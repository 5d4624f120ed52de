//! Sessions.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use super::{Api, ApiError, call::Call};
use crate::wire::{FileChange, Millis, NewSession, Session, SessionStatus, Todo};

/// Which sessions to list across all projects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Only those whose title holds this. `%` and `_` stand for anything, and letters beyond ASCII have to be in the
    /// right case.
    pub search: Option<String>,
    /// Where the page begins, from the page before.
    pub cursor: Option<String>,
    /// Most rows; the server's own default is 100.
    pub limit: Option<usize>,
    /// Also those that were put away.
    pub includes_archived: bool,
}

/// One page of sessions, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionPage {
    /// The rows; each knows its project.
    pub sessions: Vec<Session>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
}

impl Api {
    /// Sessions of all projects, without those of sub-agents.
    pub async fn all_sessions(&self, filter: &SessionFilter) -> Result<SessionPage, ApiError> {
        let call = Call::get(&["experimental", "session"], "")
            .query("roots", "true")
            .query_some("search", filter.search.as_ref())
            .query_some("cursor", filter.cursor.as_ref())
            .query_some("limit", filter.limit)
            .query_some("archived", filter.includes_archived.then_some("true"));
        let answer = self.send(call).await?;
        Ok(SessionPage {
            sessions: answer.read()?,
            next: answer.next_cursor,
        })
    }

    /// Sessions of one folder, newest first, without those of sub-agents.
    pub async fn sessions(&self, directory: &str, limit: usize) -> Result<Vec<Session>, ApiError> {
        let call = Call::get(&["session"], directory)
            .query("roots", "true")
            .query("limit", limit);
        self.fetch(call).await
    }

    /// One session.
    pub async fn session(&self, directory: &str, id: &str) -> Result<Session, ApiError> {
        self.fetch(Call::get(&["session", id], directory)).await
    }

    /// Makes a session in a folder.
    pub async fn create_session(&self, directory: &str, new: &NewSession) -> Result<Session, ApiError> {
        self.fetch(Call::post(&["session"], directory).json(new)).await
    }

    /// Gives a session a name.
    pub async fn rename_session(&self, directory: &str, id: &str, title: &str) -> Result<Session, ApiError> {
        self.patch_session(directory, id, &json!({ "title": title }))
            .await
    }

    /// Puts a session away.
    pub async fn archive_session(&self, directory: &str, id: &str, at: Millis) -> Result<Session, ApiError> {
        self.patch_session(directory, id, &json!({ "time": { "archived": at } }))
            .await
    }

    /// Has a session back that was put away. The server's own lists go on leaving it out unless archived ones are asked
    /// for, because it cannot forget that one was put away; see [`SessionTime::archived`](crate::wire::SessionTime).
    pub async fn unarchive_session(&self, directory: &str, id: &str) -> Result<Session, ApiError> {
        self.archive_session(directory, id, Millis(0)).await
    }

    async fn patch_session(
        &self,
        directory: &str,
        id: &str,
        change: &serde_json::Value,
    ) -> Result<Session, ApiError> {
        self.fetch(Call::new(Method::PATCH, &["session", id], directory).json(change))
            .await
    }

    /// Deletes a session. A busy one goes on working: abort it first.
    pub async fn delete_session(&self, directory: &str, id: &str) -> Result<(), ApiError> {
        self.tell(Call::new(Method::DELETE, &["session", id], directory))
            .await
    }

    /// What the sessions of one folder are doing; idle ones are left out, and so are those of other folders.
    pub async fn status(&self, directory: &str) -> Result<BTreeMap<String, SessionStatus>, ApiError> {
        self.fetch(Call::get(&["session", "status"], directory)).await
    }

    /// Sessions of sub-agents.
    pub async fn children(&self, directory: &str, id: &str) -> Result<Vec<Session>, ApiError> {
        self.fetch(Call::get(&["session", id, "children"], directory))
            .await
    }

    /// Ends what a session is doing. Also fine when it is idle.
    pub async fn abort(&self, directory: &str, id: &str) -> Result<(), ApiError> {
        self.tell(Call::post(&["session", id, "abort"], directory)).await
    }

    /// A copy of a session, up to but without `before_message`; of all of it when `None`.
    pub async fn fork_session(
        &self,
        directory: &str,
        id: &str,
        before_message: Option<&str>,
    ) -> Result<Session, ApiError> {
        let body = before_message.map_or_else(|| json!({}), |message| json!({ "messageID": message }));
        self.fetch(Call::post(&["session", id, "fork"], directory).json(&body))
            .await
    }

    /// Takes back a message and all after it, files included. Refused with 409 while the session is busy.
    pub async fn revert(&self, directory: &str, id: &str, message: &str) -> Result<Session, ApiError> {
        let call = Call::post(&["session", id, "revert"], directory);
        self.fetch(call.json(&json!({ "messageID": message }))).await
    }

    /// Undoes [`revert`](Self::revert).
    pub async fn unrevert(&self, directory: &str, id: &str) -> Result<Session, ApiError> {
        self.fetch(Call::post(&["session", id, "unrevert"], directory))
            .await
    }

    /// The to-do list.
    pub async fn todo(&self, directory: &str, id: &str) -> Result<Vec<Todo>, ApiError> {
        self.fetch(Call::get(&["session", id, "todo"], directory)).await
    }

    /// What the turn that `message` began has changed. `message` is a prompt's id; without it the server says
    /// nothing.
    pub async fn diff(&self, directory: &str, id: &str, message: &str) -> Result<Vec<FileChange>, ApiError> {
        let call = Call::get(&["session", id, "diff"], directory);
        self.fetch(call.query("messageID", message)).await
    }
}
