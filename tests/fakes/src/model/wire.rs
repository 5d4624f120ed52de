//! `POST /v1/chat/completions` with `stream: true`, as far as opencode's provider package uses it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::MODEL;

/// A request; what is not needed is not read.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Request {
    pub(super) messages: Vec<Message>,
    #[serde(default)]
    pub(super) tools: Vec<Value>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Message {
    pub(super) role: String,
    #[serde(default)]
    content: Value,
    #[serde(default)]
    pub(super) tool_calls: Vec<Value>,
}

impl Message {
    /// The text, whether it came as one string or in parts.
    pub(super) fn text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => {
                let texts = parts
                    .iter()
                    .filter_map(|part| part.get("text").and_then(Value::as_str));
                texts.collect::<Vec<_>>().join("\n")
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
        }
    }
}

/// One event of the stream.
pub(super) fn chunk(delta: &Value, finish: Option<&str>) -> String {
    event(&json!({
        "id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 0, "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }))
}

/// The event with the figures.
pub(super) fn usage(input: usize, output: usize) -> String {
    event(&json!({
        "id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": [],
        "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output},
    }))
}

/// The end of a stream that was not cut.
pub(super) const DONE: &str = "data: [DONE]\n\n";

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}
