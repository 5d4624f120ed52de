//! What the server says about everything at once, after events were missed. Pure.

use std::collections::{BTreeMap, BTreeSet};

use opencode::wire::{Event, Failure, Info, Message, PartKind, SessionStatus};

use super::{Shelf, last_words};

impl Shelf {
    /// Nothing is under way any more: the server is new. The requests that are void by that.
    pub fn all_idle(&mut self) -> Vec<String> {
        for known in self.sessions.values_mut() {
            known.is_cut |= known.status.is_busy();
            known.status = SessionStatus::Idle;
            known.doing = None;
        }
        std::mem::take(&mut self.asks).into_keys().collect()
    }

    /// The folders in which something was under way when it was last heard of.
    pub fn folders_under_way(&self) -> BTreeSet<String> {
        let busy = self.sessions.values().filter(|known| known.status.is_busy());
        let busy = busy.map(|known| known.session.directory.clone());
        let waiting = self.asks.values().map(|open| open.directory.clone());
        busy.chain(waiting).filter(|folder| !folder.is_empty()).collect()
    }

    /// The open requests of one folder.
    pub fn requests_in(&self, directory: &str) -> BTreeSet<String> {
        let there = self.asks.iter().filter(|(_, open)| open.directory == directory);
        there.map(|(id, _)| id.clone()).collect()
    }

    /// Takes over what is under way in one folder. The sessions whose turn has ended unheard: how, their last messages
    /// tell.
    pub fn take_status(&mut self, directory: &str, busy: &BTreeMap<String, SessionStatus>) -> Vec<String> {
        let mut ended = Vec::new();
        for known in self.sessions.values_mut() {
            if known.session.directory != directory {
                continue;
            }
            let id = &known.session.id;
            let now = busy.get(id).cloned().unwrap_or(SessionStatus::Idle);
            if known.status.is_busy() && !now.is_busy() {
                ended.push(id.clone());
                known.doing = None;
            }
            known.is_cut &= !now.is_busy();
            known.status = now;
        }
        ended
    }

    /// Takes over the open requests of one folder; `before` are those that were known when they were asked for. The
    /// requests that are closed by now.
    pub fn take_asks(
        &mut self,
        directory: &str,
        asks: &[Event],
        before: &BTreeSet<String>,
        home: &str,
    ) -> Vec<String> {
        let listed: BTreeSet<&String> = asks.iter().filter_map(super::asked).map(|(id, _)| id).collect();
        let closed: Vec<String> = before.iter().filter(|id| !listed.contains(id)).cloned().collect();
        for id in &closed {
            self.asks.remove(id);
        }
        for event in asks {
            self.apply(directory, event, home);
        }
        closed
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
            .find_map(|part| {
                let PartKind::Text {
                    text,
                    is_synthetic: false,
                    ..
                } = &part.kind
                else {
                    return None;
                };
                Some(last_words(text)).filter(|words| !words.is_empty())
            });
        known.words = words.unwrap_or_default();
        if let Some(Info::Assistant(step)) = messages.last().map(|message| &message.info) {
            known.has_failed = step.error.as_ref().is_some_and(|error| !error.is_abort());
            known.is_stopped = step.error.as_ref().is_some_and(Failure::is_abort);
            known.is_cut = step.time.completed.is_none() && step.error.is_none() && !known.status.is_busy();
        }
    }
}
