//! One session's page, kept once for all who look at it.
//!
//! [`Conversation`] is what the server has said; [`Column`] is what pages show of it; [`Journal`] is how they got
//! there. Events change the first at once. The second catches up when a page asks ([`Transcript::since`]), so bursts
//! of events cost one drawing, and each page is given what happened since its own [`Cursor`].

pub mod column;
pub mod conversation;
mod journal;
pub mod rows;
pub mod words;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use kit::Patch;
use opencode::wire::{Event, Message, Question, Session, SessionStatus, Todo};
use tokio::sync::watch;

pub use journal::{Cursor, Journal};

use crate::{code::Highlighter, view};
use column::{Column, Pens};
use conversation::Conversation;

/// One session for all its viewers.
pub struct Transcript {
    inner: Mutex<Inner>,
    /// Counts changes; viewers wait on it.
    changed: watch::Sender<u64>,
    highlighter: Arc<Highlighter>,
    home: Arc<str>,
}

struct Inner {
    conversation: Conversation,
    column: Column,
    journal: Journal,
    touched: BTreeSet<String>,
    is_dirty: bool,
    regions: Regions,
    used_at: Instant,
}

/// The small parts of a page as they were last told.
#[derive(Default, PartialEq, Clone)]
struct Regions {
    head: String,
    asks: String,
    foot: String,
    buttons: String,
    earlier: String,
}

/// What a fetch brings.
pub struct Fetched {
    pub session: Session,
    pub status: SessionStatus,
    pub messages: Vec<Message>,
    pub older: Option<String>,
    pub permissions: Vec<opencode::wire::Permission>,
    pub questions: Vec<Question>,
    pub todos: Vec<Todo>,
}

/// What a page that is made now shows.
pub struct Snapshot {
    pub conversation: Conversation,
    pub turns: String,
    pub cursor: Cursor,
}

impl Transcript {
    /// A transcript without messages.
    pub fn new(session: Session, highlighter: Arc<Highlighter>, home: Arc<str>) -> Self {
        static EPOCH: AtomicU64 = AtomicU64::new(0);
        // Begins with the time, so that pages of an earlier agent never match.
        let start = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_secs();
        let epoch = start * 4096 + EPOCH.fetch_add(1, Ordering::Relaxed);
        let inner = Inner {
            conversation: Conversation::new(session),
            column: Column::default(),
            journal: Journal::new(epoch),
            touched: BTreeSet::new(),
            is_dirty: true,
            regions: Regions::default(),
            used_at: Instant::now(),
        };
        Self {
            inner: Mutex::new(inner),
            changed: watch::Sender::new(0),
            highlighter,
            home,
        }
    }

    /// Applies an event.
    pub fn apply(&self, event: &Event) {
        let mut inner = self.lock();
        let touched = inner.conversation.apply(event);
        let is_change = touched.is_head || touched.are_asks || !touched.turns.is_empty();
        inner.touched.extend(touched.turns);
        inner.is_dirty |= is_change;
        drop(inner);
        if is_change {
            self.tell();
        }
    }

    /// Takes over what was fetched.
    pub fn reconcile(&self, fetched: Fetched) {
        let mut inner = self.lock();
        let conversation = &mut inner.conversation;
        conversation.session = fetched.session;
        let mut touched = conversation.reconcile(&fetched.messages, fetched.older);
        conversation.status = fetched.status;
        conversation.todos = fetched.todos;
        let is_busy = conversation.is_busy();
        conversation.permissions = fetched
            .permissions
            .into_iter()
            .filter(|_| is_busy)
            .map(|permission| (permission.id.clone(), permission))
            .collect();
        let open = &conversation.permissions;
        conversation
            .inputs
            .retain(|request, _| open.contains_key(request));
        conversation.questions = fetched
            .questions
            .into_iter()
            .filter(|_| is_busy)
            .map(|question| (question.id.clone(), question))
            .collect();
        touched.turns.extend(rows::turns(conversation));
        inner.touched.extend(touched.turns);
        inner.is_dirty = true;
        drop(inner);
        self.tell();
    }

    /// Takes note of what the tool was called with that is asked for.
    pub fn learn(&self, request: &str, input: &serde_json::Map<String, serde_json::Value>) {
        let mut inner = self.lock();
        let is_shown = inner.conversation.learn(request, input);
        inner.is_dirty |= is_shown;
        drop(inner);
        if is_shown {
            self.tell();
        }
    }

    /// Puts back words of unfinished parts that were streamed before.
    pub fn recall(&self, streamed: impl Fn(&str) -> Option<String>) {
        let mut inner = self.lock();
        inner.conversation.recall(streamed);
        let turns = rows::turns(&inner.conversation);
        inner.touched.extend(turns);
        inner.is_dirty = true;
        drop(inner);
        self.tell();
    }

    /// Adds a page of older messages.
    pub fn extend_back(&self, messages: &[Message], older: Option<String>) {
        let mut inner = self.lock();
        let touched = inner.conversation.extend_back(messages, older);
        inner.touched.extend(touched.turns);
        inner.is_dirty = true;
        drop(inner);
        self.tell();
    }

    /// Looks at the conversation.
    pub fn look<T>(&self, look: impl FnOnce(&Conversation) -> T) -> T {
        look(&self.lock().conversation)
    }

    /// Everything, for a page that is made now.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let mut inner = self.lock();
        self.draw(&mut inner, now);
        inner.used_at = now;
        Snapshot {
            conversation: inner.conversation.clone(),
            turns: inner.column.html(),
            cursor: inner.journal.cursor(),
        }
    }

    /// What a page at `cursor` has to be told, and where it stands then. A page from elsewhere is told everything.
    pub fn since(&self, cursor: Option<Cursor>, now: Instant) -> (Vec<Patch>, Cursor) {
        let mut inner = self.lock();
        self.draw(&mut inner, now);
        inner.used_at = now;
        let patches = cursor.and_then(|cursor| inner.journal.since(cursor));
        let patches = patches.unwrap_or_else(|| everything(&inner));
        (patches, inner.journal.cursor())
    }

    /// Whether something will have to be shown soon although nothing more arrives.
    pub fn is_behind(&self) -> bool {
        self.lock().column.is_behind()
    }

    /// Changes with every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// How many look at it now.
    pub fn viewers(&self) -> usize {
        self.changed.receiver_count()
    }

    /// When a page last asked.
    pub fn used_at(&self) -> Instant {
        self.lock().used_at
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn draw(&self, inner: &mut Inner, now: Instant) {
        let is_behind = inner.column.is_behind();
        if !inner.is_dirty && !is_behind {
            return;
        }
        inner.is_dirty = false;
        if is_behind && let Some(last) = inner.conversation.messages.keys().next_back() {
            let turn = inner.conversation.turn_of(last);
            inner.touched.insert(turn);
        }
        let touched = std::mem::take(&mut inner.touched);
        let directory = inner.conversation.session.directory.clone();
        let place = view::Place {
            directory: &directory,
            home: &self.home,
        };
        let pens = Pens {
            now,
            highlighter: &self.highlighter,
            place: &place,
        };
        let mut patches = Vec::new();
        inner
            .column
            .draw(&inner.conversation, &touched, &pens, &mut patches);
        let fresh = Regions::of(&inner.conversation, &place);
        for ((name, told), new) in inner
            .regions
            .all()
            .into_iter()
            .zip(fresh.all().map(|(_, html)| html))
        {
            if told != new {
                patches.push(Patch::Set {
                    id: name.to_owned(),
                    html: new.clone(),
                });
            }
        }
        inner.regions = fresh;
        inner.journal.record(patches);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A drawing that panicked leaves a page behind, not a conversation: pages are told everything then.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn everything(inner: &Inner) -> Vec<Patch> {
    let turns = format!("<div id=\"{}\">{}</div>", column::TURNS, inner.column.html());
    let mut patches = vec![Patch::Set {
        id: column::TURNS.to_owned(),
        html: turns,
    }];
    for (name, html) in inner.regions.all() {
        patches.push(Patch::Set {
            id: name.to_owned(),
            html: html.clone(),
        });
    }
    patches
}

impl Regions {
    fn of(conversation: &Conversation, place: &view::Place<'_>) -> Self {
        let id = &conversation.session.id;
        let asks = view::Asks {
            session_id: id,
            permissions: conversation.asked(),
            questions: conversation.questions.values().collect(),
            place: *place,
        };
        let failure = conversation.failure.as_ref();
        let pause = view::Pause::of(&asks, conversation.is_cut());
        Self {
            head: view::head(&conversation.session, place).into_string(),
            asks: view::asks(&asks).into_string(),
            foot: view::foot(id, &conversation.status, failure, pause).into_string(),
            buttons: view::buttons(Some(id), conversation.is_busy()).into_string(),
            earlier: view::earlier(id, conversation.older.is_some()).into_string(),
        }
    }

    fn all(&self) -> [(&'static str, &String); 5] {
        [
            ("session-head", &self.head),
            ("asks", &self.asks),
            ("foot", &self.foot),
            ("send-or-stop", &self.buttons),
            ("earlier", &self.earlier),
        ]
    }
}
