//! All sessions at a glance, kept true by events. Pure: events in, cards out.

mod anew;
mod ask;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use opencode::wire::{Event, PartKind, Permission, Session, SessionStatus, ToolState};
use serde_json::{Map, Value};

pub use ask::{Ask, asked};
pub use told::Moment;
use told::{Thing, Told};

use crate::view::{Card, CardState, Place, doing, state_of};

/// Cards on the main page.
pub const CARDS_MAX: usize = 10;
/// Sessions kept in memory; the oldest make room.
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
    /// Open requests by id.
    asks: BTreeMap<String, Open>,
    /// What events told, for the order between them and what is fetched.
    told: Told,
}

#[derive(Debug, Clone)]
struct Known {
    session: Session,
    status: SessionStatus,
    doing: Option<String>,
    words: String,
    has_failed: bool,
    /// The turn under way was stopped by somebody.
    is_stopped: bool,
    is_cut: bool,
}

/// A request nobody has answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Open {
    /// The folder it is asked for in: the server lists requests by folder.
    directory: String,
    ask: Ask,
}

/// How a turn stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It ended by itself.
    Done,
    /// It ended with an error.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

impl Known {
    fn new(session: Session) -> Self {
        Self {
            session,
            status: SessionStatus::Idle,
            doing: None,
            words: String::new(),
            has_failed: false,
            is_stopped: false,
            is_cut: false,
        }
    }
}

impl Shelf {
    /// The session `id`.
    pub fn session(&self, id: &str) -> Option<&Session> {
        self.sessions.get(id).map(|known| &known.session)
    }

    /// Whether a turn goes on in it.
    pub fn is_busy(&self, id: &str) -> bool {
        self.sessions.get(id).is_some_and(|known| known.status.is_busy())
    }

    /// How its last turn ended; `None` while one goes on, for one that was cut off, and for sessions that are not on the
    /// shelf.
    pub fn turn(&self, id: &str) -> Option<Turn> {
        let known = self.sessions.get(id)?;
        if known.status.is_busy() || known.is_cut {
            return None;
        }
        Some(match (known.has_failed, known.is_stopped) {
            (_, true) => Turn::Stopped,
            (true, false) => Turn::Failed,
            (false, false) => Turn::Done,
        })
    }

    /// What it said last, for a line or two.
    pub fn last_words(&self, id: &str) -> String {
        self.sessions
            .get(id)
            .map(|known| known.words.clone())
            .unwrap_or_default()
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

    /// The present moment, to be kept while something is fetched.
    pub fn now(&self) -> Moment {
        self.told.now()
    }

    /// Takes over a list from the server that was asked for at `since`. What is not on it stays, because lists are
    /// pages; what was told of meanwhile stays as it was told.
    pub fn take_list(&mut self, sessions: Vec<Session>, since: Moment) {
        for session in sessions {
            if !self.told.has(&Thing::Session(session.id.clone()), since) {
                self.put(session);
            }
        }
        self.forget_oldest();
    }

    /// Applies an event of one folder; true when a card changed.
    pub fn apply(&mut self, directory: &str, event: &Event, home: &str) -> bool {
        let is_on_shelf = event
            .session_id()
            .is_some_and(|id| self.sessions.contains_key(id));
        self.told.hear(event, is_on_shelf);
        if let Some((request, mut ask)) = asked(event) {
            let known = self.asks.get(request).and_then(|open| open.ask.input.as_ref());
            if let (Event::PermissionAsked(permission), Some(input)) = (event, known) {
                ask = Ask::of(permission, Some(input));
            }
            let directory = directory.to_owned();
            let open = Open { directory, ask };
            return self.asks.insert(request.clone(), open.clone()) != Some(open);
        }
        if let Event::PermissionReplied { request_id, .. } | Event::QuestionClosed { request_id, .. } = event
        {
            return self.asks.remove(request_id).is_some();
        }
        if let Event::SessionDeleted(session) = event {
            self.asks.retain(|_, open| open.ask.asker != session.id);
            self.leaving.remove(&session.id);
            return self.sessions.remove(&session.id).is_some();
        }
        let Some(id) = event.session_id().map(str::to_owned) else {
            return false;
        };
        let before = self.card(&id);
        if let Event::SessionCreated(session) | Event::SessionUpdated(session) = event {
            self.adopt(session);
            self.put((**session).clone());
        } else if let Some(known) = self.sessions.get_mut(&id) {
            known.apply(event, home);
        }
        // The server keeps the requests of a turn that is broken off, and says nothing: they are void. Sub-agents are
        // not on the shelf; their requests are.
        let open = self.asks.len();
        if is_rest(event) {
            self.asks.retain(|_, open| open.ask.asker != id);
        }
        self.asks.len() < open || self.card(&id) != before
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
        let mut asks = self.asks.values().map(|open| &open.ask);
        let asked = asks.find(|ask| self.root_of(&ask.asker) == id);
        let state = state_of(asked.is_some(), &known.status, known.has_failed, known.is_cut);
        let doing = match state {
            CardState::Waiting => asked.map(|ask| ask.wants.clone()),
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

    /// What waits, by the request's id.
    pub fn waiting(&self) -> impl Iterator<Item = (&str, &Ask)> {
        self.asks.iter().map(|(id, open)| (id.as_str(), &open.ask))
    }

    /// An open request.
    pub fn ask(&self, request: &str) -> Option<&Ask> {
        self.asks.get(request).map(|open| &open.ask)
    }

    /// Takes note of what the tool was called with that is asked for.
    pub fn learn(&mut self, permission: &Permission, input: &Map<String, Value>) {
        if let Some(open) = self.asks.get_mut(&permission.id) {
            open.ask = Ask::of(permission, Some(input));
        }
    }

    /// The open requests of one session, by their ids.
    pub fn requests_of(&self, id: &str) -> Vec<String> {
        let theirs = self.asks.iter().filter(|(_, open)| open.ask.asker == id);
        theirs.map(|(request, _)| request.clone()).collect()
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

impl Known {
    fn apply(&mut self, event: &Event, home: &str) {
        if let Event::SessionStatus { status, .. } = event {
            if status.is_busy() {
                self.has_failed &= self.status.is_busy();
                self.is_stopped &= self.status.is_busy();
                self.is_cut = false;
            } else {
                self.doing = None;
            }
            self.status = status.clone();
        } else if let Event::SessionIdle { .. } = event {
            self.status = SessionStatus::Idle;
            self.doing = None;
        } else if let Event::SessionError { error, .. } = event {
            self.has_failed |= !error.is_abort();
            self.is_stopped |= error.is_abort();
        } else if let Event::PartUpdated(part) = event {
            self.apply_part(&part.kind, home);
        }
    }

    fn apply_part(&mut self, kind: &PartKind, home: &str) {
        if let PartKind::Tool(call) = kind {
            if matches!(call.state, ToolState::Running { .. }) {
                let place = Place {
                    directory: &self.session.directory,
                    home,
                };
                self.doing = Some(doing(call, &place));
            }
        } else if let Some(text) = words_of(kind) {
            self.words = last_words(text);
            self.doing = None;
        }
    }
}

/// What a part says, once it is complete.
fn words_of(kind: &PartKind) -> Option<&str> {
    if let PartKind::Text {
        text,
        is_synthetic: false,
        time,
        ..
    } = kind
        && time.is_none_or(|time| time.end.is_some())
    {
        return Some(text);
    }
    None
}

/// Whether an event says that a session does nothing.
fn is_rest(event: &Event) -> bool {
    matches!(event, Event::SessionIdle { .. })
        || matches!(event, Event::SessionStatus { status, .. } if !status.is_busy())
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
mod tests;
