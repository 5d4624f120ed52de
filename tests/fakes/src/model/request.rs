//! What opencode asks: the body of `POST /v1/chat/completions`.

use serde_json::Value;

/// The parts of a request the script depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Words of the last prompt.
    pub(super) prompt: String,
    /// Tools that have answered since.
    pub(super) calls_done: usize,
    /// What kind of call it is.
    pub(super) purpose: Purpose,
    /// The model's id, given back in the answer.
    pub(super) model: String,
    /// Messages in the request: tells one step of a conversation from the next.
    pub(super) messages: usize,
    /// Rough size of the request, for the usage figures.
    pub(super) input_tokens: usize,
}

/// What opencode wants with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A step of a conversation.
    Turn,
    /// A name for the session.
    Title,
    /// A summary that replaces the conversation.
    Summary,
}

/// Characters per token, roughly, for figures nobody relies on.
const CHARS_PER_TOKEN: usize = 4;

impl Asked {
    pub(super) fn read(body: &Value) -> Self {
        let empty = Vec::new();
        let messages = body.get("messages").and_then(Value::as_array).unwrap_or(&empty);
        let role = |message: &Value| {
            message
                .get("role")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let last_prompt = messages.iter().rposition(|message| role(message) == "user");
        let since = messages
            .get(last_prompt.map_or(0, |at| at + 1)..)
            .unwrap_or_default();
        let system: String = messages
            .iter()
            .filter(|message| role(message) == "system")
            .map(words)
            .collect();
        let has_tools = body
            .get("tools")
            .and_then(Value::as_array)
            .is_some_and(|tools| !tools.is_empty());
        let purpose = match (
            has_tools,
            system.contains("title generator"),
            system.contains("summar"),
        ) {
            (false, true, _) => Purpose::Title,
            (false, false, true) => Purpose::Summary,
            (true, _, _) | (false, false, false) => Purpose::Turn,
        };
        let prompt = match purpose {
            // The title call has an instruction first and the prompt behind it.
            Purpose::Title => messages
                .iter()
                .filter(|message| role(message) == "user")
                .map(words)
                .filter(|words| !words.starts_with("Generate a title"))
                .collect::<Vec<_>>()
                .join(" "),
            Purpose::Turn | Purpose::Summary => last_prompt
                .and_then(|at| messages.get(at))
                .map(words)
                .unwrap_or_default(),
        };
        Self {
            prompt,
            calls_done: since.iter().filter(|message| role(message) == "tool").count(),
            purpose,
            model: body
                .get("model")
                .and_then(Value::as_str)
                .unwrap_or("scripted")
                .to_owned(),
            messages: messages.len(),
            input_tokens: messages.iter().map(|message| words(message).len()).sum::<usize>()
                / CHARS_PER_TOKEN,
        }
    }
}

/// The words of a message, whose content is a text or a list of parts.
fn words(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        Some(_) | None => String::new(),
    }
}
