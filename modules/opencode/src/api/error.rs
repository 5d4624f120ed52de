//! Why a call did not work.

/// Why a call did not work. The texts can be shown to a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No healthy server, or it went away during the call.
    #[error("opencode is not reachable: {reason}")]
    Down {
        /// Why, e.g. `"it is starting"`.
        reason: String,
    },
    /// The server said no.
    #[error("opencode refused: {message}")]
    Refused {
        /// HTTP status: 400 makes no sense, 404 not there, 409 busy, 500 anything.
        status: u16,
        /// What it said.
        message: String,
    },
    /// No answer in time.
    #[error("opencode took longer than {seconds} s to answer")]
    Timeout {
        /// How long was waited.
        seconds: u64,
    },
    /// The answer was not what the API promises.
    #[error("opencode gave an answer that could not be understood: {what}")]
    Malformed {
        /// What was wrong with it.
        what: String,
    },
}

impl ApiError {
    /// Whether what was asked about does not exist (any more).
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

/// The words inside an error answer: `{"data":{"message"}}`, `{"message"}`, `{"name"}` or the text itself, shortened.
pub(super) fn message_of(status: u16, body: &[u8]) -> String {
    const CHARS_MAX: usize = 500;
    let text = String::from_utf8_lossy(body);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let found = ["/data/message", "/message", "/error", "/name", "/_tag"]
        .iter()
        .find_map(|place| value.pointer(place)?.as_str())
        .unwrap_or(text.trim());
    if found.is_empty() || found.starts_with('<') {
        return format!("status {status}");
    }
    found.chars().take(CHARS_MAX).collect()
}
