//! What a prompt tells the model to do.
//!
//! | marker | does |
//! |---|---|
//! | `[[tokens:N]]` | answers N plain words |
//! | `[[markdown:N]]` | answers about N tokens of markdown with code |
//! | `[[paragraph:BYTES]]` | answers one long paragraph |
//! | `[[say:TEXT]]` | answers TEXT |
//! | `[[rate:R]]` | R tokens a second; without it as fast as it goes |
//! | `[[reasoning:N]]` | thinks N words first |
//! | `[[tool:NAME {…}]]` | calls a tool first; several are called one after the other |
//! | `[[error:STATUS]]`, `[[error:STATUSxN]]` | refuses always, or N times |
//! | `[[cut:N]]`, `[[cut:NxM]]` | drops the connection after N tokens, once or M times |
//! | `[[endless]]` | never stops |

use serde_json::Value;

/// One answer, in the order it is given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Script {
    /// Called first, one a step.
    pub tools: Vec<ToolCall>,
    /// Words of thinking before the answer.
    pub reasoning: usize,
    /// The closing answer.
    pub body: Body,
    /// Tokens a second; `None` means no brake.
    pub rate: Option<u32>,
    /// Refuse with this status.
    pub error: Option<Fault>,
    /// Drop the connection after so many tokens.
    pub cut: Option<Fault>,
}

/// Something that goes wrong a number of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Status, or tokens.
    pub value: u32,
    /// How often.
    pub times: u32,
}

/// A call of one of opencode's tools.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// E.g. `"bash"`.
    pub name: String,
    /// Its arguments, as the model sends them.
    pub arguments: Value,
}

/// What the closing answer is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Body {
    /// A short friendly text.
    #[default]
    Demo,
    /// This text.
    Say(String),
    /// So many plain words.
    Tokens(usize),
    /// About so many tokens of markdown.
    Markdown(usize),
    /// One paragraph of so many bytes.
    Paragraph(usize),
    /// Words without end.
    Endless,
}

/// Reads the markers of a prompt; without any it guesses from plain words, for the demo.
pub fn parse(prompt: &str) -> Script {
    let mut script = Script::default();
    let mut rest = prompt;
    let mut has_marker = false;
    while let Some((_, tail)) = rest.split_once("[[") {
        let (marker, after) = marker(tail);
        has_marker |= apply(&mut script, marker);
        rest = after;
    }
    if has_marker { script } else { guess(prompt) }
}

/// The prompt without its markers, on one line.
pub fn plain(prompt: &str) -> String {
    let mut text = String::new();
    let mut rest = prompt;
    while let Some((before, tail)) = rest.split_once("[[") {
        text.push_str(before);
        rest = marker(tail).1;
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Splits a marker from what follows. The JSON of a tool call may hold brackets itself.
fn marker(tail: &str) -> (&str, &str) {
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

fn apply(script: &mut Script, marker: &str) -> bool {
    let (name, value) = marker.split_once(':').unwrap_or((marker, ""));
    let number = || value.parse().unwrap_or_default();
    match name {
        "tokens" => script.body = Body::Tokens(number()),
        "markdown" => script.body = Body::Markdown(number()),
        "paragraph" => script.body = Body::Paragraph(number()),
        "say" => script.body = Body::Say(value.to_owned()),
        "endless" => script.body = Body::Endless,
        "reasoning" => script.reasoning = number(),
        "rate" => script.rate = value.parse().ok().filter(|rate| *rate > 0),
        "error" => script.error = fault(value, u32::MAX),
        "cut" => script.cut = fault(value, 1),
        "tool" => {
            let (tool, json) = value.split_once(' ').unwrap_or((value, "{}"));
            let arguments = serde_json::from_str(json).unwrap_or(Value::Null);
            script.tools.push(ToolCall {
                name: tool.to_owned(),
                arguments,
            });
        }
        _ => return false,
    }
    true
}

fn fault(value: &str, times: u32) -> Option<Fault> {
    let (value, times) = match value.split_once('x') {
        Some((value, count)) => (value, count.parse().ok()?),
        None => (value, times),
    };
    Some(Fault {
        value: value.parse().ok()?,
        times,
    })
}

/// The demo understands a few plain words.
fn guess(prompt: &str) -> Script {
    let prompt = prompt.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| prompt.contains(word));
    let tool = |name: &str, arguments: Value| ToolCall {
        name: name.to_owned(),
        arguments,
    };
    let mut script = Script {
        rate: Some(70),
        ..Script::default()
    };
    if has(&["plan", "todo"]) {
        let todo =
            |content, status| serde_json::json!({"content": content, "status": status, "priority": "medium"});
        let todos = [
            todo("Read the code", "completed"),
            todo("Change it", "in_progress"),
            todo("Run the tests", "pending"),
        ];
        script
            .tools
            .push(tool("todowrite", serde_json::json!({ "todos": todos })));
    }
    if has(&["file", "list", "look", "what is here"]) {
        let arguments = serde_json::json!({"command": "ls -la", "description": "Lists the folder"});
        script.tools.push(tool("bash", arguments));
    }
    if has(&["write", "note", "create"]) {
        let content = "# Notes\n\nWritten by the scripted model.\n";
        script.tools.push(tool(
            "write",
            serde_json::json!({"filePath": "NOTES.md", "content": content}),
        ));
    }
    if has(&["ask", "question"]) {
        let option = |label, description| serde_json::json!({"label": label, "description": description});
        script.tools.push(tool(
            "question",
            serde_json::json!({"questions": [{
                "question": "Which colour shall the button have?", "header": "Colour",
                "options": [option("Indigo", "Like the rest"), option("Green", "It means go")],
            }]}),
        ));
    }
    if has(&["long", "lot", "everything"]) {
        script.body = Body::Markdown(1500);
    }
    script
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_prompt_says_what_is_answered() {
        let script = parse(
            "Run it [[tool:bash {\"command\":\"echo ]] [[x\"}]] then [[tokens:15]] [[rate:300]] [[cut:4x2]]",
        );

        let expected = Script {
            tools: vec![ToolCall {
                name: "bash".to_owned(),
                arguments: json!({"command": "echo ]] [[x"}),
            }],
            body: Body::Tokens(15),
            rate: Some(300),
            cut: Some(Fault { value: 4, times: 2 }),
            ..Script::default()
        };
        assert_eq!(script, expected);
    }

    #[test]
    fn a_title_is_made_of_what_is_left() {
        assert_eq!(
            plain("Fix [[tokens:3]] the\n login [[tool:bash {\"a\":\"]]\"}]] test"),
            "Fix the login test"
        );
    }

    #[test]
    fn brackets_that_are_no_marker_are_harmless() {
        assert_eq!(parse("a[[0]] = 1"), guess("a[[0]] = 1"));
        assert_eq!(parse("[[tool:bash {broken]]").tools.len(), 1);
        assert_eq!(parse("[["), guess("[["));
    }
}
