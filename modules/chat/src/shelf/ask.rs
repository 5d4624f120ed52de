//! What a session asks its owner.

use opencode::wire::{Event, Permission};
use serde_json::{Map, Value};

use crate::text::is_plain_line;

/// Characters of a value that are told in a few words.
const VALUE_CHARS_MAX: usize = 60;

/// What a session asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The session that asks.
    pub asker: String,
    /// In a few words: the command and the folder it names for itself, the file, or the kind of thing.
    pub wants: String,
    /// Whether these words may be enough to allow it: a command on one line, in letters that can be seen, whose call is
    /// known. What is more (a diff, several lines, an address behind a kind) has to be looked at on its page.
    pub is_whole: bool,
    /// What the tool was called with that it is asked for: the request does not tell e.g. the folder a command names.
    /// `None` until that is known.
    pub input: Option<Map<String, Value>>,
}

impl Ask {
    /// What a permission is asked for, as far as the call is known.
    pub fn of(permission: &Permission, input: Option<&Map<String, Value>>) -> Self {
        let named = |name: &str| permission.metadata.get(name).and_then(Value::as_str);
        let workdir = input.and_then(|input| text(input, "workdir"));
        let command = named("command");
        let wants = match (command, workdir, named("filepath"), input) {
            (Some(command), Some(workdir), ..) => format!("in {workdir}: {command}"),
            (Some(command), None, ..) => command.to_owned(),
            (None, _, Some(file), _) => file.to_owned(),
            (None, _, None, Some(input)) => described(&permission.permission, input),
            (None, _, None, None) => permission.permission.clone(),
        };
        let is_call_known = permission.tool.is_none() || input.is_some();
        Self {
            asker: permission.session_id.clone(),
            is_whole: permission.permission == "bash"
                && command.is_some()
                && is_call_known
                && is_plain_line(&wants),
            wants,
            input: input.cloned(),
        }
    }
}

fn text<'a>(input: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let text = input.get(name).and_then(Value::as_str);
    text.filter(|text| !text.is_empty())
}

/// A call of a tool without words of its own, e.g. `"tracker_create_issue title: Release"`.
fn described(kind: &str, input: &Map<String, Value>) -> String {
    let mut words = kind.to_owned();
    for (name, value) in input {
        let value = crate::view::plain(value);
        words.push_str(&format!(
            " {name}: {}",
            crate::text::shortened(&value, VALUE_CHARS_MAX)
        ));
    }
    words
}

/// What is asked, and under which id; `None` for events that ask nothing.
pub fn asked(event: &Event) -> Option<(&String, Ask)> {
    if let Event::PermissionAsked(asked) = event {
        return Some((&asked.id, Ask::of(asked, None)));
    }
    if let Event::QuestionAsked(asked) = event {
        let first = asked.questions.first().map(|item| item.question.clone());
        let ask = Ask {
            asker: asked.session_id.clone(),
            wants: first.unwrap_or_default(),
            is_whole: false,
            input: None,
        };
        return Some((&asked.id, ask));
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(kind: &str, metadata: &Value, input: Option<&Value>) -> (String, bool) {
        let permission: Permission = serde_json::from_value(json!({
            "id": "per_1", "sessionID": "ses_1", "permission": kind, "metadata": metadata,
            "tool": { "messageID": "msg_1", "callID": "c" },
        }))
        .unwrap();
        let ask = Ask::of(&permission, input.and_then(Value::as_object));
        (ask.wants, ask.is_whole)
    }

    #[test]
    fn a_command_is_whole_when_it_is_known_where_it_runs_and_says_so() {
        let command = json!({ "command": "rm -rf x" });
        let known = |input: Value| ask("bash", &command, Some(&input));

        assert_eq!(ask("bash", &command, None), ("rm -rf x".to_owned(), false));
        assert_eq!(
            known(json!({ "command": "rm -rf x" })),
            ("rm -rf x".to_owned(), true)
        );
        let elsewhere = known(json!({ "command": "rm -rf x", "workdir": "../other" }));
        assert_eq!(elsewhere, ("in ../other: rm -rf x".to_owned(), true));
        assert!(!known(json!({ "command": "rm -rf x", "workdir": "/a\u{202e}b" })).1);
    }

    #[test]
    fn a_tool_without_words_of_its_own_is_told_with_what_it_was_given() {
        let input = json!({ "title": "Release", "body": "word ".repeat(100) });

        let (wants, is_whole) = ask("tracker_create_issue", &json!({}), Some(&input));

        assert!(wants.starts_with("tracker_create_issue body: word"), "{wants}");
        assert!(wants.ends_with("title: Release") && wants.len() < 120);
        assert!(!is_whole);
    }
}
