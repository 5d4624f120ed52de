//! What a session asks its owner.

use opencode::wire::Event;

use crate::text::is_plain_line;

/// What a session asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The session that asks.
    pub asker: String,
    /// In a few words: the command, the file, or the kind of thing.
    pub wants: String,
    /// Whether these words may be enough to allow it: a command on one line, in letters that can be seen. What is more (a
    /// diff, several lines, an address behind a kind) has to be looked at on its page. The request does not tell the
    /// folder a command names for itself; its page does.
    pub is_whole: bool,
}

/// What is asked, and under which id; `None` for events that ask nothing.
pub fn asked(event: &Event) -> Option<(&String, Ask)> {
    if let Event::PermissionAsked(asked) = event {
        let named = |name: &str| asked.metadata.get(name).and_then(|wants| wants.as_str());
        let command = named("command");
        let wants = command.or_else(|| named("filepath")).unwrap_or(&asked.permission);
        let ask = Ask {
            asker: asked.session_id.clone(),
            wants: wants.to_owned(),
            is_whole: asked.permission == "bash" && command.is_some_and(is_plain_line),
        };
        return Some((&asked.id, ask));
    }
    if let Event::QuestionAsked(asked) = event {
        let first = asked.questions.first().map(|item| item.question.clone());
        let ask = Ask {
            asker: asked.session_id.clone(),
            wants: first.unwrap_or_default(),
            is_whole: false,
        };
        return Some((&asked.id, ask));
    }
    None
}
