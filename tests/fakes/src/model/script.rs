//! What a prompt tells the model to do.
//!
//! | marker | does |
//! |---|---|
//! | `[[text:WORDS]]` | says WORDS |
//! | `[[tokens:N]]` | says N plain words |
//! | `[[markdown:N]]` | says about N tokens of markdown with code |
//! | `[[paragraph:BYTES]]` | says one long paragraph |
//! | `[[bulk:BYTES:WORDS]]` | says WORDS over and over, in larger pieces than a model would |
//! | `[[endless]]` | never stops talking |
//! | `[[reasoning:N]]` | thinks N words |
//! | `[[tool:NAME {…}]]` | calls a tool and goes on when it has answered |
//! | `[[rate:R]]` | R tokens a second; without it as fast as it goes |
//! | `[[error:STATUS]]`, `[[error:STATUS:N]]` | refuses always, or N times |
//! | `[[retry:S]]` | a refusal asks to come back in S seconds |
//! | `[[cut:N]]`, `[[cut:N:M]]` | drops the connection after N tokens, always or M times |

use serde_json::{Value, json};

use super::text;

/// One answer with all its steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Script {
    /// What is said and done, in order.
    pub items: Vec<Item>,
    /// Tokens a second; 0 means no brake.
    pub rate: u32,
    /// Refuse with this status.
    pub error: Option<Trouble>,
    /// Seconds in `Retry-After` of a refusal.
    pub retry_after: Option<u32>,
    /// Drop the connection after so many tokens.
    pub cut: Option<Trouble>,
}

/// One thing an answer is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Text of the answer.
    Say(String),
    /// Text of the answer that comes in few pieces.
    Bulk(String),
    /// Text of the reasoning before it.
    Think(String),
    /// A call of one of opencode's tools; ends a step.
    Call {
        /// E.g. `"bash"`.
        tool: String,
        /// Its arguments.
        input: Value,
    },
    /// Words without end.
    Endless,
}

/// Something that goes wrong, always or a number of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// Status, or tokens.
    pub figure: u32,
    /// How often; `None` means always.
    pub times: Option<u32>,
}

impl Trouble {
    /// Whether it happens on the attempt with this number, counted from 0.
    pub fn hits(self, attempt: u32) -> bool {
        self.times.is_none_or(|times| attempt < times)
    }

    fn read(value: &str) -> Option<Self> {
        let (figure, times) = match value.split_once(':') {
            Some((figure, times)) => (figure, Some(times.parse().ok()?)),
            None => (value, None),
        };
        Some(Self {
            figure: figure.parse().ok()?,
            times,
        })
    }
}

impl Script {
    /// Reads the markers of a prompt; without any it guesses from plain words, for the demo.
    pub fn parse(prompt: &str) -> Self {
        let mut script = Self::default();
        let is_scripted = markers(prompt).filter(|marker| script.apply(marker)).count() > 0;
        if is_scripted { script } else { guess(prompt) }
    }

    /// What is sent after `calls_done` tools have answered: everything up to and with the next call.
    pub fn step(&self, calls_done: usize) -> Vec<Item> {
        let mut calls = 0;
        let mut step = Vec::new();
        for item in &self.items {
            let is_call = matches!(item, Item::Call { .. });
            if calls == calls_done {
                step.push(item.clone());
            }
            calls += usize::from(is_call);
            if calls > calls_done {
                break;
            }
        }
        if step.is_empty() && calls > 0 {
            step.push(Item::Say(text::closing(calls)));
        }
        step
    }

    fn apply(&mut self, marker: &str) -> bool {
        let (name, value) = marker.split_once(':').unwrap_or((marker, ""));
        let number = || value.parse().unwrap_or_default();
        match name {
            "text" => self.items.push(Item::Say(value.to_owned())),
            "tokens" => self.items.push(Item::Say(text::words(number()))),
            "markdown" => self.items.push(Item::Say(text::markdown(number()))),
            "paragraph" => self.items.push(Item::Say(text::paragraph(number()))),
            "bulk" => {
                let (bytes, words) = value.split_once(':').unwrap_or((value, ""));
                self.items
                    .push(Item::Bulk(text::bulk(bytes.parse().unwrap_or_default(), words)));
            }
            "endless" => self.items.push(Item::Endless),
            "reasoning" => self.items.push(Item::Think(text::words(number()))),
            "rate" => self.rate = value.parse().unwrap_or_default(),
            "error" => self.error = Trouble::read(value),
            "retry" => self.retry_after = value.parse().ok(),
            "cut" => self.cut = Trouble::read(value),
            "tool" => {
                let (tool, input) = value.split_once(' ').unwrap_or((value, "{}"));
                let input = serde_json::from_str(input).unwrap_or(Value::Null);
                self.items.push(Item::Call {
                    tool: tool.to_owned(),
                    input,
                });
            }
            _ => return false,
        }
        true
    }
}

/// The prompt without its markers, on one line.
pub(super) fn beside_markers(prompt: &str) -> String {
    let mut words = String::new();
    let mut rest = prompt;
    while let Some((before, tail)) = rest.split_once("[[") {
        words.push_str(before);
        rest = split_marker(tail).1;
    }
    words.push_str(rest);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn markers(prompt: &str) -> impl Iterator<Item = &str> {
    let mut rest = prompt;
    std::iter::from_fn(move || {
        let (marker, after) = split_marker(rest.split_once("[[")?.1);
        rest = after;
        Some(marker)
    })
}

/// Splits a marker from what follows. The JSON of a tool call may hold brackets itself.
fn split_marker(tail: &str) -> (&str, &str) {
    let from = if tail.starts_with("tool:") {
        json_end(tail)
    } else {
        0
    };
    match tail[from..].find("]]") {
        Some(end) => (&tail[..from + end], &tail[from + end + 2..]),
        None => ("", ""),
    }
}

fn json_end(tail: &str) -> usize {
    let Some(start) = tail.find('{') else { return 0 };
    let mut values = serde_json::Deserializer::from_str(&tail[start..]).into_iter::<Value>();
    match values.next() {
        Some(Ok(_)) => start + values.byte_offset(),
        Some(Err(_)) | None => 0,
    }
}

/// Tokens a second of the demo: quick, but one can watch it.
const DEMO_RATE: u32 = 70;

/// The demo understands a few plain words.
fn guess(prompt: &str) -> Script {
    let lower = prompt.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let call = |tool: &str, input: Value| Item::Call {
        tool: tool.to_owned(),
        input,
    };
    let mut items = Vec::new();
    if has(&["plan", "todo"]) {
        let todo = |content, status| json!({"content": content, "status": status, "priority": "medium"});
        let todos = [
            todo("Read the code", "completed"),
            todo("Change it", "in_progress"),
            todo("Run the tests", "pending"),
        ];
        items.push(call("todowrite", json!({ "todos": todos })));
    }
    if has(&["file", "list", "look"]) {
        items.push(Item::Say("I'll look at what is here first.".to_owned()));
        items.push(call(
            "bash",
            json!({"command": "ls -la", "description": "Lists the folder"}),
        ));
    }
    if has(&["write", "note"]) {
        let content = "# Notes\n\nWritten by the scripted model.\n";
        items.push(call("write", json!({"filePath": "NOTES.md", "content": content})));
    }
    if has(&["ask", "question"]) {
        let option = |label, description| json!({"label": label, "description": description});
        items.push(call(
            "question",
            json!({"questions": [{
                "question": "Which colour shall the button have?", "header": "Colour",
                "options": [option("Indigo", "Like the rest"), option("Green", "It means go")],
            }]}),
        ));
    }
    let closing = match (items.is_empty(), has(&["long", "lot"])) {
        (_, true) => text::markdown(1500),
        (true, false) => text::demo(&beside_markers(prompt)),
        (false, false) => "That is done. What next?".to_owned(),
    };
    items.push(Item::Say(closing));
    Script {
        items,
        rate: DEMO_RATE,
        ..Script::default()
    }
}
