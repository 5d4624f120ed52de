//! What the owner should hear of when nobody looks at the session. Pure.

use kit::{Action, Answer, Audience, Away, ModuleId, Notice, NoticeKind, Told, Verb};
use opencode::wire::Event;

use super::Live;
use crate::{
    shelf::{Ask, Turn},
    text,
};

/// As much as every desktop shows of a notice.
const READABLE_CHARS_MAX: usize = 200;

/// Under what a request is told.
pub(super) fn ask_key(request: &str) -> String {
    format!("ask-{request}")
}

/// Under what the end of a turn is told.
pub(super) fn turn_key(session: &str) -> String {
    format!("turn-{session}")
}

/// What follows from `event`, which has been applied, beside requests; `turn` is how it ended the turn of its session, if it
/// did.
pub(super) fn told(live: &Live, event: &Event, turn: Option<Turn>) -> Option<Told> {
    if let Event::PermissionReplied { request_id, .. } | Event::QuestionClosed { request_id, .. } = event {
        return Some(Told::Settled(ask_key(request_id)));
    }
    ended(live, event.session_id()?, turn?).map(Told::Notice)
}

/// Somebody has to answer; `None` while somebody looks at the session.
pub(super) fn waiting(live: &Live, request: &str, ask: &Ask) -> Option<Notice> {
    let root = live.shelf.root_of(&ask.asker);
    if is_looked_at(live, root) {
        return None;
    }
    // Desktops cut long texts, and a question is answered in words: only what can be read there is allowed there.
    let is_readable = ask.is_whole && ask.wants.chars().count() <= READABLE_CHARS_MAX;
    let answers = match (request.starts_with("per_"), is_readable) {
        (true, true) => vec![
            answer("Allow once", "allow", request),
            answer("Reject", "reject", request),
        ],
        (true, false) => vec![answer("Reject", "reject", request)],
        (false, _) => Vec::new(),
    };
    let wants = text::clean(&ask.wants);
    let wants = text::shortened(&wants, READABLE_CHARS_MAX);
    Some(Notice {
        kind: NoticeKind::Waiting,
        key: ask_key(request),
        title: format!("{} waits for you", title(live, root)),
        body: format!("It asks: {wants}"),
        page: format!("/chat/{root}"),
        answers,
        away: away(live, root, "A session waits for you"),
    })
}

/// A turn is over.
pub(super) fn ended(live: &Live, session: &str, turn: Turn) -> Option<Notice> {
    if is_looked_at(live, session) {
        return None;
    }
    let title = title(live, session);
    let (title, brief, body) = match turn {
        Turn::Done => (
            format!("{title} is done"),
            "A session is done",
            live.shelf.last_words(session),
        ),
        Turn::Failed => (
            format!("{title} has failed"),
            "A session has failed",
            "Open the session to see why, and to go on.".to_owned(),
        ),
        // Whoever stopped it knows.
        Turn::Stopped => return None,
    };
    Some(Notice {
        kind: NoticeKind::Session,
        key: turn_key(session),
        title,
        body,
        page: format!("/chat/{session}"),
        answers: Vec::new(),
        away: away(live, session, brief),
    })
}

fn answer(label: &'static str, verb: &str, request: &str) -> Answer {
    Answer {
        label,
        is_grant: verb == "allow",
        action: Action::Call(ModuleId("chat"), Verb::with(verb, vec![request.to_owned()])),
    }
}

/// Where nobody knows the folder, nobody knows either whether it may be seen from outside.
fn away(live: &Live, session: &str, brief: &'static str) -> Option<Away> {
    let folder = live.shelf.session(session)?.directory.clone();
    Some(Away {
        brief,
        folder: Some(folder),
        audience: Audience::Here,
    })
}

fn is_looked_at(live: &Live, session: &str) -> bool {
    let slot = live.slots.get(session);
    slot.and_then(|slot| slot.transcript.as_ref())
        .is_some_and(|transcript| transcript.viewers() > 0)
}

fn title(live: &Live, session: &str) -> String {
    live.shelf
        .session(session)
        .filter(|session| !session.is_unnamed())
        .map_or_else(|| "A session".to_owned(), |session| session.title.clone())
}
