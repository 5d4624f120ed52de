//! What the tray shows of the chat, and what can be asked of it from outside a page.

use std::sync::Arc;

use kit::{ActError, Action, Entry, ModuleId, Reply, Status, Verb, VerbSpec};
use opencode::wire::PermissionReply;
use serde_json::Value;

use crate::{desk::Desk, shelf::Shelf};

/// Lines for open requests; they are always there, so that nothing moves under the pointer.
const REQUEST_SLOTS: usize = 3;
/// Longer ones are cut in the menu, see the agent's own limit of 48.
const WANTS_CHARS_MAX: usize = 48;
/// Lines for recent sessions.
const SESSION_SLOTS: usize = 5;

/// What can be asked of the chat.
pub const VERBS: &[VerbSpec] = &[
    VerbSpec {
        name: "allow",
        help: "Allows what a session asks for, this once.",
        args: &["REQUEST"],
        button: None,
    },
    VerbSpec {
        name: "reject",
        help: "Rejects what a session asks for; its turn ends.",
        args: &["REQUEST"],
        button: None,
    },
    VerbSpec {
        name: "sessions",
        help: "Lists the sessions, what waits for you first.",
        args: &[],
        button: None,
    },
];

/// Two groups of fixed size: what waits, and recent sessions.
pub fn entries(status: &Status) -> Vec<Entry> {
    let list = |name: &str| {
        status
            .details
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let waiting = list("waiting");
    let recent = list("recent");
    let requests = (0..REQUEST_SLOTS)
        .flat_map(|slot| request_lines(waiting.get(slot)))
        .collect();
    let sessions = (0..SESSION_SLOTS)
        .map(|slot| session_line(recent.get(slot)))
        .collect();
    vec![
        Entry::Submenu {
            text: format!("Waiting for you: {}", waiting.len()),
            entries: requests,
        },
        Entry::Submenu {
            text: "Recent sessions".to_owned(),
            entries: sessions,
        },
    ]
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn item(text: String, action: Action, is_enabled: bool) -> Entry {
    Entry::Item {
        text,
        action,
        is_enabled,
    }
}

/// What is asked, and the two answers. A question is answered on its page.
fn request_lines(request: Option<&Value>) -> [Entry; 3] {
    let Some(request) = request else {
        let empty = || item("–".to_owned(), Action::Open("/chat".to_owned()), false);
        return [empty(), empty(), empty()];
    };
    // A line of the menu is cut: what does not fit is not allowed without having been read. Rejecting harms nobody.
    let is = |name: &str| request.get(name).and_then(Value::as_bool).unwrap_or_default();
    let can_reject = !is("is_question");
    let can_allow = can_reject && is("is_whole") && text(request, "wants").chars().count() <= WANTS_CHARS_MAX;
    let call = |name: &str| {
        let verb = Verb::with(name, vec![text(request, "request").to_owned()]);
        Action::Call(ModuleId("chat"), verb)
    };
    let page = Action::Open(format!("/chat/{}", text(request, "session")));
    [
        item(text(request, "wants").to_owned(), page, true),
        item("Allow once".to_owned(), call("allow"), can_allow),
        item("Reject".to_owned(), call("reject"), can_reject),
    ]
}

fn session_line(session: Option<&Value>) -> Entry {
    match session {
        Some(session) => {
            let page = format!("/chat/{}", text(session, "session"));
            item(text(session, "title").to_owned(), Action::Open(page), true)
        }
        None => item("–".to_owned(), Action::Open("/chat".to_owned()), false),
    }
}

/// Does what a verb says.
pub async fn call(desk: &Arc<Desk>, verb: Verb) -> Result<Reply, ActError> {
    let reply = match verb.name.as_str() {
        "allow" => PermissionReply::Once,
        "reject" => PermissionReply::Reject,
        "sessions" => return Ok(Reply::Json(sessions(desk))),
        _ => return Err(ActError::unknown_verb(&verb)),
    };
    let request = verb.args.first().cloned().unwrap_or_default();
    let by = verb.session.as_deref().unwrap_or("the desktop");
    let asker = desk.shelf(|shelf| {
        let found = shelf.waiting().find(|(id, ..)| *id == request);
        found.map(|(_, ask)| ask.asker.clone())
    });
    let Some(asker) = asker else {
        return Ok(Reply::Note("This was answered already.".to_owned()));
    };
    match desk.reply(&asker, &request, reply, None).await {
        Ok(()) => {
            tracing::info!(target: "audit", event = "permission", session = asker, request, ?reply, by, "a permission was answered");
            Ok(Reply::Done)
        }
        Err(error) if error.is_missing() => Ok(Reply::Note("This was answered already.".to_owned())),
        Err(error) => Err(ActError::Failed(error.to_string())),
    }
}

fn sessions(desk: &Desk) -> Value {
    let cards = desk.shelf(Shelf::cards).into_iter();
    cards
        .map(|card| serde_json::json!({ "id": card.id, "title": card.title, "directory": card.directory }))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use kit::State;

    use super::*;

    fn lines(entries: &[Entry]) -> usize {
        entries
            .iter()
            .map(|entry| match entry {
                Entry::Submenu { entries, .. } => lines(entries) + 1,
                Entry::Label(_) | Entry::Item { .. } | Entry::Check { .. } | Entry::Separator => 1,
            })
            .sum()
    }

    #[test]
    fn the_menu_has_the_same_lines_whatever_waits() {
        let mut status = Status::new(State::Running, SystemTime::UNIX_EPOCH);
        let empty = entries(&status);
        status.details.insert(
            "waiting".to_owned(),
            serde_json::json!([{"request":"per_1","session":"ses_1","wants":"rm -rf x","is_question":false,"is_whole":true}]),
        );
        status.details.insert(
            "recent".to_owned(),
            serde_json::json!([{"session":"ses_1","title":"One"}]),
        );
        let full = entries(&status);

        assert_eq!(lines(&empty), lines(&full));
        let Entry::Submenu { entries, text } = &full[0] else {
            panic!("a group")
        };
        assert_eq!(text, "Waiting for you: 1");
        let allow = Verb::with("allow", vec!["per_1".to_owned()]);
        assert_eq!(
            entries[1],
            Entry::Item {
                text: "Allow once".to_owned(),
                action: Action::Call(ModuleId("chat"), allow),
                is_enabled: true
            }
        );
    }
}
