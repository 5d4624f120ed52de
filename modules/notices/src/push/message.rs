//! What a device is told, as its service worker reads it. Pure.

use kit::{Action, Answer, Audience, Notice, NoticeKind, Secret};
use serde::Serialize;

/// As much as is worth sending; phones show more of it when somebody asks for it.
const TITLE_CHARS_MAX: usize = 100;
const BODY_CHARS_MAX: usize = 300;
/// As much as every phone shows at once, beside the buttons.
const READABLE_CHARS_MAX: usize = 60;
/// Longest path; others lead to the start page.
const PAGE_BYTES_MAX: usize = 200;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    pub(crate) title: String,
    pub(crate) body: String,
    /// Messages with one tag replace each other.
    pub(crate) tag: String,
    /// Where a press leads: a path, or the whole link where this machine is elsewhere by now.
    pub(crate) page: String,
    pub(crate) buttons: Vec<Button>,
}

/// Something that can be answered at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Button {
    /// Named once, for this message alone.
    pub(crate) press: String,
    pub(crate) label: &'static str,
}

/// What of a notice can be answered away from the machine. A request whose text is not shown is not answered blindly, and
/// one whose text is not seen at a glance is not granted.
pub(crate) fn answers(notice: &Notice, has_details: bool) -> impl Iterator<Item = &Answer> {
    let is_shown = has_details || notice.kind != NoticeKind::Waiting;
    let is_readable = notice.body.chars().count() <= READABLE_CHARS_MAX;
    let can_be = move |answer: &&Answer| {
        is_shown && (is_readable || !answer.is_grant) && matches!(answer.action, Action::Call(..))
    };
    notice.answers.iter().filter(can_be)
}

impl Message {
    /// Of a notice that may be told away from the machine; `None` for any other. Without `has_details` there is no word
    /// of a conversation in it: it may lie on a table among people.
    pub(crate) fn of(notice: &Notice, has_details: bool, buttons: Vec<Button>) -> Option<Self> {
        let away = notice.away.as_ref()?;
        let (title, body) = match has_details && away.audience == Audience::Here {
            true => (notice.title.as_str(), notice.body.as_str()),
            false => (away.brief, "Open it to see more."),
        };
        let page = if notice.page.len() <= PAGE_BYTES_MAX && notice.page.starts_with("/chat") {
            &notice.page
        } else {
            // The chat is all there is away from the machine; it shows how the server is.
            "/chat"
        };
        Some(Self {
            title: shortened(title, TITLE_CHARS_MAX),
            body: shortened(body, BODY_CHARS_MAX),
            tag: shortened(&notice.key, TITLE_CHARS_MAX),
            page: page.to_owned(),
            buttons,
        })
    }

    /// The same for a device that reached this machine where it is no more, and pairs again with `link`.
    pub(crate) fn leading_to(&self, link: &Secret) -> Self {
        Self {
            body: "Open it to pair this device again. The link works once, within ten minutes.".to_owned(),
            page: link.expose().to_owned(),
            ..self.clone()
        }
    }

    /// What is sent when somebody tries it out.
    pub(crate) fn trial() -> Self {
        Self {
            title: "This is how it looks".to_owned(),
            body: "You hear of sessions that wait, are done or have failed, and of the server.".to_owned(),
            tag: "trial".to_owned(),
            page: "/notices".to_owned(),
            buttons: Vec::new(),
        }
    }
}

/// Whether a push service should wake a sleeping phone for it.
pub(crate) fn urgency(notice: &Notice) -> &'static str {
    // What it carries does not last.
    if notice
        .away
        .as_ref()
        .is_some_and(|away| away.audience == Audience::Moved)
    {
        return "high";
    }
    match notice.kind {
        NoticeKind::Waiting | NoticeKind::Server => "high",
        NoticeKind::Session
        | NoticeKind::Tunnel
        | NoticeKind::Login
        | NoticeKind::Update
        | NoticeKind::Agent => "normal",
    }
}

fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use kit::{Away, ModuleId, Verb};

    use super::*;
    use crate::push::seal;

    fn notice() -> Notice {
        let answer = |label, verb| Answer {
            label,
            is_grant: verb == "allow",
            action: Action::Call(ModuleId("chat"), Verb::with(verb, vec!["per_1".to_owned()])),
        };
        Notice {
            kind: NoticeKind::Waiting,
            key: "ask-per_1".to_owned(),
            title: "Salaries waits for you".to_owned(),
            body: "It asks: `rm -r /salaries`".to_owned(),
            page: "/chat/ses_1".to_owned(),
            answers: vec![
                answer("Allow once", "allow"),
                answer("Reject", "reject"),
                Answer {
                    label: "Show the log",
                    is_grant: false,
                    action: Action::Open("/logs".to_owned()),
                },
            ],
            away: Some(Away {
                brief: "A session waits for you",
                folder: None,
                audience: Audience::Here,
            }),
        }
    }

    #[test]
    fn without_details_no_word_of_a_conversation_is_told_and_nothing_is_answered_blindly() {
        let notice = notice();

        let brief = Message::of(&notice, false, Vec::new()).unwrap();
        let whole = Message::of(&notice, true, Vec::new()).unwrap();

        assert_eq!(brief.title, "A session waits for you");
        assert!(!serde_json::to_string(&brief).unwrap().contains("alaries"));
        assert_eq!(answers(&notice, false).count(), 0);
        assert_eq!(
            (whole.title, whole.body),
            (notice.title.clone(), notice.body.clone())
        );
        assert_eq!(
            answers(&notice, true)
                .map(|answer| answer.label)
                .collect::<Vec<_>>(),
            ["Allow once", "Reject"]
        );
    }

    #[test]
    fn what_is_not_seen_at_a_glance_is_not_granted_from_afar() {
        let long = Notice {
            body: format!("It asks: {}", "x".repeat(READABLE_CHARS_MAX)),
            ..notice()
        };

        let offered: Vec<&str> = answers(&long, true).map(|answer| answer.label).collect();

        assert_eq!(offered, ["Reject"]);
    }

    #[test]
    fn what_may_not_leave_the_machine_is_no_message() {
        let here = Notice {
            away: None,
            ..notice()
        };

        assert_eq!(Message::of(&here, true, Vec::new()), None);
    }

    #[test]
    fn a_new_address_is_all_that_is_told_of_it() {
        let moved = Notice {
            kind: NoticeKind::Tunnel,
            body: "https://a-b.trycloudflare.com leads to the chat".to_owned(),
            away: Some(Away {
                brief: "This machine has a new address",
                folder: None,
                audience: Audience::Moved,
            }),
            ..notice()
        };
        let link = Secret::new("https://a-b.trycloudflare.com/pair?code=0".to_owned());

        for has_details in [false, true] {
            let message = Message::of(&moved, has_details, Vec::new()).unwrap();
            assert!(!serde_json::to_string(&message).unwrap().contains("a-b."));
            let message = message.leading_to(&link);
            assert_eq!(
                (message.title.as_str(), message.page.as_str()),
                ("This machine has a new address", link.expose())
            );
            assert!(message.body.contains("works once, within ten minutes"));
        }
        assert_eq!(urgency(&moved), "high");
    }

    #[test]
    fn the_longest_message_can_be_sealed() {
        let long = Notice {
            title: "\u{1}".repeat(1000),
            body: "𝔘".repeat(1000),
            key: "k".repeat(1000),
            page: format!("/chat/{}", "p".repeat(1000)),
            ..notice()
        };
        let button = Button {
            press: "0".repeat(32),
            label: "Allow once",
        };

        let message = Message::of(&long, true, vec![button.clone(), button]).unwrap();

        assert!(serde_json::to_vec(&message).unwrap().len() <= seal::TEXT_BYTES_MAX);
        assert_eq!(message.page, "/chat");
    }
}
