//! What was told while something was being fetched, so that the answer does not undo it. Pure.
//!
//! An answer is made somewhere between question and arrival, and the event stream goes on all the while. Whatever the
//! stream tells of a thing in that time is taken for newer than the answer: if it was older, what made the answer true
//! is on the stream as well and still to come.

use std::collections::BTreeMap;

use opencode::wire::Event;

/// Things remembered. One fetch sees some dozen; with more of them its answer is not worth taking.
const THINGS_MAX: usize = 4096;

/// A moment in the order of what was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(u64);

/// What can be told of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// Title, place, whether it exists, by the session's id.
    Session(String),
    /// Whether a turn goes on in a session, and how the last one ended.
    Turn(String),
    /// That none went on for a moment: what a session asked before is void.
    Rest(String),
    /// A session's last words.
    Words(String),
    /// A request, by its id: that it is open or closed.
    Request(String),
}

/// When each thing was last told of.
#[derive(Debug, Default)]
pub struct Told {
    now: Moment,
    /// Nothing is known of what was told up to here.
    horizon: Moment,
    things: BTreeMap<Thing, Moment>,
}

impl Told {
    /// The present moment.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Takes note of an event. Of a session that is not on the shelf no turn is kept, so nothing of it was told.
    pub fn hear(&mut self, event: &Event, is_on_shelf: bool) {
        let note = |id: &str, kind: fn(String) -> Thing| kind(id.to_owned());
        if let Some((request, _)) = super::asked(event) {
            self.note(note(request, Thing::Request));
        } else if let Event::PermissionReplied { request_id, .. } | Event::QuestionClosed { request_id, .. } =
            event
        {
            self.note(note(request_id, Thing::Request));
        } else if let Event::SessionCreated(session) | Event::SessionUpdated(session) = event {
            self.note(note(&session.id, Thing::Session));
        } else if let Event::SessionDeleted(session) = event {
            self.note(note(&session.id, Thing::Session));
            self.note(note(&session.id, Thing::Rest));
        } else if let Event::SessionStatus { session_id, status } = event {
            if is_on_shelf {
                self.note(note(session_id, Thing::Turn));
            }
            if !status.is_busy() {
                self.note(note(session_id, Thing::Rest));
            }
        } else if let Event::SessionIdle { session_id } = event {
            if is_on_shelf {
                self.note(note(session_id, Thing::Turn));
            }
            self.note(note(session_id, Thing::Rest));
        } else if let (true, Event::SessionError { .. }, Some(id)) = (is_on_shelf, event, event.session_id())
        {
            self.note(note(id, Thing::Turn));
        } else if let Event::PartUpdated(part) = event
            && is_on_shelf
            && super::words_of(&part.kind).is_some()
        {
            self.note(note(&part.session_id, Thing::Words));
        }
    }

    fn note(&mut self, thing: Thing) {
        self.now.0 += 1;
        if self.things.len() >= THINGS_MAX {
            self.void();
        }
        self.things.insert(thing, self.now);
    }

    /// Whatever was asked for before now is void, e.g. because another server runs.
    pub fn void(&mut self) {
        self.now.0 += 1;
        self.things.clear();
        self.horizon = self.now;
    }

    /// Whether what was asked for at `since` can be compared with what was told.
    pub fn reaches(&self, since: Moment) -> bool {
        since >= self.horizon
    }

    /// Whether `thing` was told of after `since`.
    pub fn has(&self, thing: &Thing, since: Moment) -> bool {
        !self.reaches(since) || self.things.get(thing).is_some_and(|at| *at > since)
    }
}
