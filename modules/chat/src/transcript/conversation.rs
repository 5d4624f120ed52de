//! One session as the server tells it, kept by ids so that nothing counts twice.
//!
//! The server repeats events, sends some after the end and none at all about text it cut off. So every event is an
//! upsert; text grows only in parts that are known; what was fetched never takes words away that were seen already.

use std::collections::{BTreeMap, BTreeSet};

use opencode::wire::{
    Assistant, Event, Failure, Info, Message, Part, PartKind, Permission, Question, Session, SessionStatus,
    Todo,
};
use serde_json::{Map, Value};

use super::words::{has_seen_more, open_text};
use crate::view::Asked;

/// A message and its parts.
#[derive(Debug, Clone)]
pub struct Entry {
    pub info: Info,
    pub parts: BTreeMap<String, PartEntry>,
}

/// A part and how often it has changed.
#[derive(Debug, Clone)]
pub struct PartEntry {
    pub part: Part,
    pub version: u64,
}

/// What an event touched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Touched {
    /// Turns to look at again, by the id of their prompt.
    pub turns: BTreeSet<String>,
    /// Title, state, figures.
    pub is_head: bool,
    /// Permissions, questions.
    pub are_asks: bool,
}

/// One session.
#[derive(Debug, Clone)]
pub struct Conversation {
    pub session: Session,
    pub status: SessionStatus,
    pub messages: BTreeMap<String, Entry>,
    /// Open requests of this session and of its sub-agents.
    pub permissions: BTreeMap<String, Permission>,
    pub questions: BTreeMap<String, Question>,
    /// What the tools of sub-agents were called with that are asked for, by request.
    pub inputs: BTreeMap<String, Map<String, Value>>,
    pub todos: Vec<Todo>,
    /// Why the last turn failed where no message says it.
    pub failure: Option<Failure>,
    /// Where older messages begin; `None` when there are none.
    pub older: Option<String>,
    versions: u64,
}

impl Conversation {
    /// A session without messages.
    pub fn new(session: Session) -> Self {
        Self {
            session,
            status: SessionStatus::Idle,
            messages: BTreeMap::new(),
            permissions: BTreeMap::new(),
            questions: BTreeMap::new(),
            inputs: BTreeMap::new(),
            todos: Vec::new(),
            failure: None,
            older: None,
            versions: 0,
        }
    }

    /// Whether a turn is under way.
    pub fn is_busy(&self) -> bool {
        self.status.is_busy()
    }

    /// The prompt a message belongs to: its own id for prompts.
    pub fn turn_of(&self, message_id: &str) -> String {
        match self.messages.get(message_id).map(|entry| &entry.info) {
            Some(Info::Assistant(assistant)) if !assistant.parent_id.is_empty() => {
                assistant.parent_id.clone()
            }
            Some(_) | None => message_id.to_owned(),
        }
    }

    /// The newest step of the model.
    pub fn last_step(&self) -> Option<&Assistant> {
        self.messages.values().rev().find_map(|entry| match &entry.info {
            Info::Assistant(assistant) => Some(&**assistant),
            Info::User(_) | Info::Other(_) => None,
        })
    }

    /// Whether the server died during the last turn.
    pub fn is_cut(&self) -> bool {
        !self.is_busy()
            && self
                .last_step()
                .is_some_and(|step| step.time.completed.is_none() && step.error.is_none())
    }

    /// Puts words back that were streamed before anybody looked: the server stores them only when a part is finished.
    pub fn recall(&mut self, streamed: impl Fn(&str) -> Option<String>) {
        for part in self
            .messages
            .values_mut()
            .flat_map(|entry| entry.parts.values_mut())
        {
            let id = part.part.id.clone();
            if let Some(text) = open_text(&mut part.part)
                && let Some(seen) = streamed(&id)
                && seen.len() > text.len()
            {
                *text = seen;
                self.versions += 1;
                part.version = self.versions;
            }
        }
    }

    /// Applies one event of this session, or of a sub-agent's when it asks something.
    pub fn apply(&mut self, event: &Event) -> Touched {
        let mut touched = Touched::default();
        match event {
            Event::SessionCreated(session) | Event::SessionUpdated(session)
                if session.id == self.session.id =>
            {
                let project = self.session.project.take();
                self.session = (**session).clone();
                self.session.project = self.session.project.take().or(project);
                touched.is_head = true;
            }
            Event::SessionStatus { session_id, status } if *session_id == self.session.id => {
                self.set_status(status.clone(), &mut touched);
            }
            Event::SessionIdle { session_id } if *session_id == self.session.id => {
                self.set_status(SessionStatus::Idle, &mut touched);
            }
            Event::SessionError { error, .. } => {
                // A message tells the same a moment later, with its place; this is for failures without one.
                if !error.is_abort() {
                    self.failure = Some(error.clone());
                    touched.is_head = true;
                }
            }
            Event::MessageUpdated { info, .. } => self.put_info(info, &mut touched),
            Event::MessageRemoved { message_id, .. } => {
                touched.turns.insert(self.turn_of(message_id));
                self.messages.remove(message_id);
            }
            Event::PartUpdated(part) => self.put_part(part, &mut touched),
            Event::PartDelta(delta) if delta.field == "text" => {
                self.grow_part(&delta.message_id, &delta.part_id, &delta.delta, &mut touched);
            }
            Event::PartRemoved {
                message_id, part_id, ..
            } => {
                touched.turns.insert(self.turn_of(message_id));
                if let Some(entry) = self.messages.get_mut(message_id) {
                    entry.parts.remove(part_id);
                }
            }
            Event::TodoUpdated { session_id, todos } if *session_id == self.session.id => {
                self.todos.clone_from(todos);
                touched.is_head = true;
            }
            Event::PermissionAsked(permission) => {
                self.permissions
                    .insert(permission.id.clone(), (**permission).clone());
                self.touch_asks(
                    permission.tool.as_ref().map(|tool| tool.message_id.as_str()),
                    &mut touched,
                );
            }
            Event::PermissionReplied { request_id, .. } => {
                self.inputs.remove(request_id);
                if let Some(permission) = self.permissions.remove(request_id) {
                    let message = permission.tool.map(|tool| tool.message_id);
                    self.touch_asks(message.as_deref(), &mut touched);
                }
            }
            Event::QuestionAsked(question) => {
                self.questions.insert(question.id.clone(), (**question).clone());
                self.touch_asks(
                    question.tool.as_ref().map(|tool| tool.message_id.as_str()),
                    &mut touched,
                );
            }
            Event::QuestionClosed { request_id, .. } => {
                if let Some(question) = self.questions.remove(request_id) {
                    let message = question.tool.map(|tool| tool.message_id);
                    self.touch_asks(message.as_deref(), &mut touched);
                }
            }
            Event::Connected
            | Event::Heartbeat
            | Event::SessionCreated(_)
            | Event::SessionUpdated(_)
            | Event::SessionDeleted(_)
            | Event::SessionStatus { .. }
            | Event::SessionIdle { .. }
            | Event::SessionDiff { .. }
            | Event::SessionCompacted { .. }
            | Event::PartDelta(_)
            | Event::TodoUpdated { .. }
            | Event::InstanceDisposed { .. }
            | Event::GlobalDisposed
            | Event::Other { .. } => {}
        }
        touched
    }

    /// Takes over what was fetched: the newest messages, and whether there are older ones. What is known of older
    /// messages stays; what is newer than the oldest fetched one and was not fetched is gone.
    pub fn reconcile(&mut self, fetched: &[Message], older: Option<String>) -> Touched {
        let mut touched = Touched {
            is_head: true,
            are_asks: true,
            ..Touched::default()
        };
        let kept: BTreeSet<&str> = fetched.iter().map(|message| message.info.id()).collect();
        let first = kept.first().copied().unwrap_or_default().to_owned();
        let gone: Vec<String> = self
            .messages
            .keys()
            .filter(|id| **id >= first && !kept.contains(id.as_str()))
            .cloned()
            .collect();
        for id in gone {
            touched.turns.insert(self.turn_of(&id));
            self.messages.remove(&id);
        }
        if self.messages.is_empty() {
            self.older = older;
        }
        for message in fetched {
            self.put_message(message, &mut touched);
        }
        touched
    }

    /// Adds a page of older messages in front.
    pub fn extend_back(&mut self, fetched: &[Message], older: Option<String>) -> Touched {
        let mut touched = Touched::default();
        for message in fetched {
            self.put_message(message, &mut touched);
        }
        self.older = older;
        touched
    }

    fn put_message(&mut self, message: &Message, touched: &mut Touched) {
        self.put_info(&message.info, touched);
        let ids: BTreeSet<&str> = message.parts.iter().map(|part| part.id.as_str()).collect();
        if let Some(entry) = self.messages.get_mut(message.info.id()) {
            entry.parts.retain(|id, _| ids.contains(id.as_str()));
        }
        for part in &message.parts {
            self.put_part(part, touched);
        }
    }

    fn set_status(&mut self, status: SessionStatus, touched: &mut Touched) {
        if self.status == status {
            return;
        }
        let was_busy = self.is_busy();
        self.status = status;
        touched.is_head = true;
        if let Some(last) = self.messages.keys().next_back() {
            touched.turns.insert(self.turn_of(last));
        }
        if was_busy && !self.is_busy() {
            // The server keeps requests open when a turn is broken off, and says nothing: they are void.
            self.permissions.clear();
            self.inputs.clear();
            self.questions.clear();
            touched.are_asks = true;
        }
        if !was_busy {
            self.failure = None;
        }
    }

    fn put_info(&mut self, info: &Info, touched: &mut Touched) {
        let id = info.id().to_owned();
        if id.is_empty() {
            return;
        }
        match self.messages.get_mut(&id) {
            Some(entry) if entry.info == *info => return,
            Some(entry) => entry.info = info.clone(),
            None => {
                let entry = Entry {
                    info: info.clone(),
                    parts: BTreeMap::new(),
                };
                self.messages.insert(id.clone(), entry);
            }
        }
        if matches!(info, Info::Assistant(assistant) if assistant.error.is_some()) {
            self.failure = None;
        }
        touched.turns.insert(self.turn_of(&id));
        touched.is_head = true;
    }

    fn put_part(&mut self, part: &Part, touched: &mut Touched) {
        self.versions += 1;
        let version = self.versions;
        // A part can be told before its message; without the message nothing says who speaks.
        let Some(entry) = self.messages.get_mut(&part.message_id) else {
            return;
        };
        match entry.parts.get_mut(&part.id) {
            Some(known) if known.part == *part => return,
            Some(known) if has_seen_more(&known.part, part) => return,
            Some(known) => {
                *known = PartEntry {
                    part: part.clone(),
                    version,
                };
            }
            None => {
                let fresh = PartEntry {
                    part: part.clone(),
                    version,
                };
                entry.parts.insert(part.id.clone(), fresh);
            }
        }
        touched.turns.insert(self.turn_of(&part.message_id));
    }

    fn grow_part(&mut self, message_id: &str, part_id: &str, delta: &str, touched: &mut Touched) {
        self.versions += 1;
        let version = self.versions;
        let known = self
            .messages
            .get_mut(message_id)
            .and_then(|entry| entry.parts.get_mut(part_id));
        let Some(known) = known else { return };
        if let Some(text) = open_text(&mut known.part) {
            text.push_str(delta);
            known.version = version;
            touched.turns.insert(self.turn_of(message_id));
        }
    }

    /// The open requests for permission, each with what its tool was called with.
    pub fn asked(&self) -> Vec<Asked<'_>> {
        let of = |permission| Asked {
            permission,
            input: self
                .input_of(permission)
                .or_else(|| self.inputs.get(&permission.id)),
        };
        self.permissions.values().map(of).collect()
    }

    /// Takes note of what the tool was called with that is asked for; whether that is shown.
    pub fn learn(&mut self, request: &str, input: &Map<String, Value>) -> bool {
        let is_ours = self.permissions.contains_key(request);
        if is_ours {
            self.inputs.insert(request.to_owned(), input.clone());
        }
        is_ours
    }

    fn input_of(&self, permission: &Permission) -> Option<&Map<String, Value>> {
        let tool = permission.tool.as_ref()?;
        let mut parts = self.messages.get(&tool.message_id)?.parts.values();
        parts.find_map(|entry| {
            if let PartKind::Tool(call) = &entry.part.kind
                && call.call_id == tool.call_id
            {
                return call.state.input();
            }
            None
        })
    }

    fn touch_asks(&self, message_id: Option<&str>, touched: &mut Touched) {
        touched.are_asks = true;
        touched.is_head = true;
        if let Some(id) = message_id {
            touched.turns.insert(self.turn_of(id));
        }
    }
}
