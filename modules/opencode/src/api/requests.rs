//! Permissions and questions.

use serde_json::json;

use super::{Api, ApiError, call::Call};
use crate::wire::{Permission, PermissionReply, Question};

impl Api {
    /// Open requests for permission in one folder.
    pub async fn permissions(&self, directory: &str) -> Result<Vec<Permission>, ApiError> {
        self.fetch(Call::get(&["permission"], directory)).await
    }

    /// Answers a request. A `message` with [`PermissionReply::Reject`] lets the model go on with it. A request that
    /// was answered already is [missing](ApiError::is_missing).
    pub async fn reply_permission(
        &self,
        directory: &str,
        request: &str,
        reply: PermissionReply,
        message: Option<&str>,
    ) -> Result<(), ApiError> {
        let mut body = json!({ "reply": reply });
        if let (Some(message), Some(members)) = (message, body.as_object_mut()) {
            members.insert("message".to_owned(), json!(message));
        }
        self.tell(Call::post(&["permission", request, "reply"], directory).json(&body))
            .await
    }

    /// Open questions in one folder.
    pub async fn questions(&self, directory: &str) -> Result<Vec<Question>, ApiError> {
        self.fetch(Call::get(&["question"], directory)).await
    }

    /// Answers all questions of a request: per question the chosen labels, or words of one's own.
    pub async fn reply_question(
        &self,
        directory: &str,
        request: &str,
        answers: &[Vec<String>],
    ) -> Result<(), ApiError> {
        let call = Call::post(&["question", request, "reply"], directory);
        self.tell(call.json(&json!({ "answers": answers }))).await
    }

    /// Dismisses a question; the turn ends.
    pub async fn reject_question(&self, directory: &str, request: &str) -> Result<(), ApiError> {
        self.tell(Call::post(&["question", request, "reject"], directory))
            .await
    }
}
