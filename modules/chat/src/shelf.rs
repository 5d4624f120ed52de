//! All sessions at a glance, kept true by events. Pure: events in, cards out.

use std::collections::{BTreeMap, BTreeSet};

use opencode::wire::{Event, Info, Message, PartKind, Session, SessionStatus, ToolState};

use crate::view::{Card, CardState, Place, doing, state_of};

/// Cards on the main page.
pub const CARDS_MAX: usize = 10;
/// Sessions kept in memory; older ones are found by searching.
const SESSIONS_MAX: usize = 500;
/// Characters kept of the last words.
const WORDS_CHARS_MAX: usize = 200;

/// Every session known.
#[derive(Debug, Default)]
pub struct Shelf {
    sessions: BTreeMap<String, Known>,
    /// Sub-agents' sessions, by id: their parents.
    parents: BTreeMap<String, String>,
    pub pins: BTreeSet<String>,
    /// Deleted a moment ago.
    pub leaving: BTreeSet<String>,
    /// Open requests by id: the session that asks and what it wants.
    asks: BTreeMap<String, (String, String)>,
}

#[derive(Debug, Clone)]
struct Known {
    session: Session,
    status: SessionStatus,
    doing: Option<String>,
    words: String,
    has_failed: bool,
    is_cut: bool,
}

impl Known {
    fn new(session: Session) -> Self {
        Self {
            session,
            status: SessionStatus::Idle,
            doing: None,
            words: String::new(),
            has_failed: false,
            is_cut: false,
        }
    }
}

impl Shelf {
    /// The session `id`.
    pub fn session(&self, id: &str) -> Option<&Session> {
        self.sessions.get(id).map(|known| &known.session)
    }

    /// The session a person would look for: the topmost ancestor.
    pub fn root_of<'a>(&'a self, id: &'a str) -> &'a str {
        let mut at = id;
        // Bounded, in case the server ever tells a circle.
        for _ in 0..16 {
            match self.parents.get(at) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        at
    }

    /// Remembers whose sub-agent a session is.
    pub fn adopt(&mut self, session: &Session) {
        if let Some(parent) = &session.parent_id {
            self.parents.insert(session.id.clone(), parent.clone());
        }
    }

    /// Takes over a list from the server. What is not on it stays, because lists are pages.
    pub fn take_list(&mut self, sessions: Vec<Session>) {
        for session in sessions {
            self.put(session);
        }
        self.forget_oldest();
    }

    /// Nothing is under way any more: the server is new.
    pub fn all_idle(&mut self) {
        for known in self.sessions.values_mut() {
            known.is_cut |= known.status.is_busy();
            known.status = SessionStatus::Idle;
            known.doing = None;
        }
        self.asks.clear();
    }

    /// Takes over what is under way in one folder.
    pub fn take_status(&mut self, directory: &str, busy: &BTreeMap<String, SessionStatus>) {
        for known in self.sessions.values_mut() {
            if known.session.directory == directory {
                let now = busy
                    .get(&known.session.id)
                    .cloned()
                    .unwrap_or(SessionStatus::Idle);
                known.is_cut &= !now.is_busy();
                known.status = now;
            }
        }
    }

    /// The last messages of a session: its last words, and how it ended.
    pub fn take_last(&mut self, id: &str, messages: &[Message]) {
        let Some(known) = self.sessions.get_mut(id) else {
            return;
        };
        let words = messages
            .iter()
            .rev()
            .flat_map(|message| message.parts.iter().rev())
            .find_map(|part| match &part.kind {
                PartKind::Text {
                    text,
                    is_synthetic: false,
                    ..
                } => Some(last_words(text)).filter(|words| !words.is_empty()),
                _ => None,
            });
        known.words = words.unwrap_or_default();
        if let Some(Info::Assistant(step)) = messages.last().map(|message| &message.info) {
            known.has_failed = step.error.as_ref().is_some_and(|error| !error.is_abort());
            known.is_cut = step.time.completed.is_none() && step.error.is_none() && !known.status.is_busy();
        }
    }

    /// Applies an event; true when a card changed.
    pub fn apply(&mut self, event: &Event, home: &str) -> bool {
        match event {
            Event::SessionCreated(session) | Event::SessionUpdated(session) => {
                self.adopt(session);
                let before = self.card(&session.id);
                self.put((**session).clone());
                self.card(&session.id) != before
            }
            Event::SessionDeleted(session) => {
                self.asks.retain(|_, (asker, _)| *asker != session.id);
                self.leaving.remove(&session.id);
                self.sessions.remove(&session.id).is_some()
            }
            Event::PermissionAsked(asked) => {
                let wants = asked
                    .metadata
                    .get("command")
                    .or_else(|| asked.metadata.get("filepath"));
                let wants = wants
                    .and_then(|wants| wants.as_str())
                    .unwrap_or(&asked.permission)
                    .to_owned();
                self.asks
                    .insert(asked.id.clone(), (asked.session_id.clone(), wants));
                true
            }
            Event::QuestionAsked(asked) => {
                let wants = asked
                    .questions
                    .first()
                    .map(|item| item.question.clone())
                    .unwrap_or_default();
                self.asks
                    .insert(asked.id.clone(), (asked.session_id.clone(), wants));
                true
            }
            Event::PermissionReplied { request_id, .. } | Event::QuestionClosed { request_id, .. } => {
                self.asks.remove(request_id).is_some()
            }
            _ => {
                let Some(id) = event.session_id() else {
                    return false;
                };
                let id = id.to_owned();
                let before = self.card(&id);
                self.apply_turn(&id, event, home);
                self.card(&id) != before
            }
        }
    }

    fn apply_turn(&mut self, id: &str, event: &Event, home: &str) {
        let Some(known) = self.sessions.get_mut(id) else {
            return;
        };
        match event {
            Event::SessionStatus { status, .. } => {
                if status.is_busy() {
                    known.has_failed &= known.status.is_busy();
                    known.is_cut = false;
                } else {
                    known.doing = None;
                }
                known.status = status.clone();
            }
            Event::SessionIdle { .. } => {
                known.status = SessionStatus::Idle;
                known.doing = None;
            }
            Event::SessionError { error, .. } => known.has_failed |= !error.is_abort(),
            Event::PartUpdated(part) => match &part.kind {
                PartKind::Tool(call) => {
                    let place = Place {
                        directory: &known.session.directory,
                        home,
                    };
                    known.doing = matches!(call.state, ToolState::Running { .. })
                        .then(|| doing(call, &place))
                        .or(known.doing.take());
                }
                PartKind::Text {
                    text,
                    is_synthetic: false,
                    time,
                    ..
                } if time.is_none_or(|time| time.end.is_some()) => {
                    known.words = last_words(text);
                    known.doing = None;
                }
                _ => {}
            },
            _ => {}
        }
        if !known.status.is_busy() {
            let id = known.session.id.clone();
            self.asks.retain(|_, (asker, _)| *asker != id);
        }
    }

    fn put(&mut self, session: Session) {
        if session.parent_id.is_some() || session.time.archived.is_some() {
            self.sessions.remove(&session.id);
            return;
        }
        match self.sessions.get_mut(&session.id) {
            Some(known) => {
                let project = known.session.project.take();
                known.session = session;
                known.session.project = known.session.project.take().or(project);
            }
            None => {
                self.sessions.insert(session.id.clone(), Known::new(session));
            }
        }
    }

    fn forget_oldest(&mut self) {
        while self.sessions.len() > SESSIONS_MAX {
            let oldest = self
                .sessions
                .values()
                .filter(|known| !self.pins.contains(&known.session.id))
                .min_by_key(|known| known.session.time.updated)
                .map(|known| known.session.id.clone());
            let Some(oldest) = oldest else { break };
            self.sessions.remove(&oldest);
        }
    }

    fn card(&self, id: &str) -> Option<Card> {
        let known = self.sessions.get(id)?;
        let asked = self.asks.iter().find(|(_, (asker, _))| self.root_of(asker) == id);
        let state = state_of(asked.is_some(), &known.status, known.has_failed, known.is_cut);
        let doing = match state {
            CardState::Waiting => asked.map(|(_, (_, wants))| wants.clone()),
            CardState::Working => known.doing.clone(),
            CardState::Failed | CardState::Cut | CardState::Idle => None,
        };
        let session = &known.session;
        let title = if session.is_unnamed() {
            "New session".to_owned()
        } else {
            session.title.clone()
        };
        Some(Card {
            id: session.id.clone(),
            title,
            directory: session.directory.clone(),
            state,
            doing,
            words: known.words.clone(),
            updated: session.time.updated.time(),
            cost: session.cost,
            is_pinned: self.pins.contains(&session.id),
            is_leaving: self.leaving.contains(&session.id),
        })
    }

    /// All cards: waiting first, then pinned, then by time.
    pub fn cards(&self) -> Vec<Card> {
        let mut cards: Vec<Card> = self.sessions.keys().filter_map(|id| self.card(id)).collect();
        cards.sort_by_key(|card| {
            let rank = match (card.state, card.is_pinned) {
                (CardState::Waiting, _) => 0,
                (_, true) => 1,
                _ => 2,
            };
            (rank, std::cmp::Reverse(card.updated))
        });
        cards
    }

    /// The folders of the sessions, latest first.
    pub fn folders(&self) -> Vec<String> {
        let mut sessions: Vec<&Session> = self.sessions.values().map(|known| &known.session).collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.time.updated));
        let mut folders: Vec<String> = Vec::new();
        for session in sessions {
            if !session.directory.is_empty() && !folders.contains(&session.directory) {
                folders.push(session.directory.clone());
            }
        }
        folders
    }

    /// What waits: request, session, what it wants.
    pub fn waiting(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.asks
            .iter()
            .map(|(id, (asker, wants))| (id.as_str(), asker.as_str(), wants.as_str()))
    }

    /// How many sessions there are, and how many of them work.
    pub fn counts(&self) -> (usize, usize) {
        let busy = self
            .sessions
            .values()
            .filter(|known| known.status.is_busy())
            .count();
        (self.sessions.len(), busy)
    }
}

/// The end of a text on one line, for a card.
fn last_words(text: &str) -> String {
    let last = text
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| line.chars().any(char::is_alphanumeric));
    let plain: String = last
        .unwrap_or_default()
        .chars()
        .filter(|char| !matches!(char, '*' | '`' | '#' | '|'))
        .collect();
    crate::text::shortened(plain.trim(), WORDS_CHARS_MAX).into_owned()
}

/// Cards for the grid and rows for the list below it.
pub fn split(cards: Vec<Card>) -> (Vec<Card>, Vec<Card>) {
    let mut cards = cards;
    let rest = cards.split_off(cards.len().min(CARDS_MAX));
    (cards, rest)
}

#[cfg(test)]
mod tests {
    use opencode::wire::{Line, Millis};

    use super::*;

    fn session(id: &str, updated: u64) -> Session {
        Session {
            id: id.to_owned(),
            title: id.to_owned(),
            directory: "/p".to_owned(),
            time: opencode::wire::SessionTime {
                updated: Millis(updated),
                ..Default::default()
            },
            ..Session::default()
        }
    }

    fn tell(shelf: &mut Shelf, kind: &str, properties: &str) -> bool {
        let line = format!(
            r#"{{"directory":"/p","payload":{{"id":"e","type":"{kind}","properties":{properties}}}}}"#
        );
        shelf.apply(&Line::parse(&line).unwrap().event, "/home/ann")
    }

    #[test]
    fn what_waits_comes_first_then_what_is_pinned_then_what_is_new() {
        let mut shelf = Shelf::default();
        shelf.take_list(vec![
            session("ses_a", 1),
            session("ses_b", 2),
            session("ses_c", 3),
            session("ses_d", 4),
        ]);
        shelf.pins.insert("ses_b".to_owned());
        tell(
            &mut shelf,
            "session.status",
            r#"{"sessionID":"ses_a","status":{"type":"busy"}}"#,
        );
        tell(
            &mut shelf,
            "permission.asked",
            r#"{"id":"per_1","sessionID":"ses_a","permission":"bash","metadata":{"command":"rm -rf x"}}"#,
        );

        let order: Vec<_> = shelf.cards().into_iter().map(|card| card.id).collect();

        assert_eq!(order, ["ses_a", "ses_b", "ses_d", "ses_c"]);
        assert_eq!(shelf.cards()[0].doing.as_deref(), Some("rm -rf x"));
    }

    #[test]
    fn a_sub_agents_request_shows_on_its_root() {
        let mut shelf = Shelf::default();
        shelf.take_list(vec![session("ses_a", 1)]);
        tell(
            &mut shelf,
            "session.created",
            r#"{"sessionID":"ses_x","info":{"id":"ses_x","parentID":"ses_a","title":"sub"}}"#,
        );
        tell(
            &mut shelf,
            "permission.asked",
            r#"{"id":"per_1","sessionID":"ses_x","permission":"bash","metadata":{}}"#,
        );

        let cards = shelf.cards();
        assert_eq!(cards.len(), 1);
        assert_eq!(cards[0].state, CardState::Waiting);

        assert!(tell(
            &mut shelf,
            "permission.replied",
            r#"{"sessionID":"ses_x","requestID":"per_1","reply":"once"}"#
        ));
        assert_eq!(shelf.cards()[0].state, CardState::Idle);
    }

    #[test]
    fn a_turn_is_seen_from_outside() {
        let mut shelf = Shelf::default();
        shelf.take_list(vec![session("ses_a", 1)]);
        assert!(tell(
            &mut shelf,
            "session.status",
            r#"{"sessionID":"ses_a","status":{"type":"busy"}}"#
        ));
        assert!(!tell(
            &mut shelf,
            "session.status",
            r#"{"sessionID":"ses_a","status":{"type":"busy"}}"#
        ));
        tell(
            &mut shelf,
            "message.part.updated",
            r#"{"part":{"id":"p","messageID":"m","sessionID":"ses_a","type":"tool","callID":"c","tool":"bash","state":{"status":"running","input":{"command":"cargo test"}}}}"#,
        );
        assert_eq!(shelf.cards()[0].doing.as_deref(), Some("running cargo test"));
        tell(
            &mut shelf,
            "message.part.updated",
            r#"{"part":{"id":"q","messageID":"m","sessionID":"ses_a","type":"text","text":"First.\n\nAll **green**.","time":{"start":1,"end":2}}}"#,
        );
        tell(&mut shelf, "session.idle", r#"{"sessionID":"ses_a"}"#);

        let card = &shelf.cards()[0];
        assert_eq!((card.state, card.words.as_str()), (CardState::Idle, "All green."));
    }

    #[test]
    fn a_turn_the_server_died_in_is_cut() {
        let mut shelf = Shelf::default();
        shelf.take_list(vec![session("ses_a", 1)]);
        tell(
            &mut shelf,
            "session.status",
            r#"{"sessionID":"ses_a","status":{"type":"busy"}}"#,
        );

        shelf.all_idle();

        assert_eq!(shelf.cards()[0].state, CardState::Cut);
    }
}
