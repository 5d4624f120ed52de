//! What the server says about everything at once, after events were missed. Pure.

use std::collections::{BTreeMap, BTreeSet};

use opencode::wire::{Event, Failure, Info, Message, PartKind, SessionStatus};

use super::{Ask, Moment, Open, Shelf, Thing, Told, asked, last_words};

/// What a list of open requests has changed, by their ids.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub opened: Vec<String>,
    pub closed: Vec<String>,
}

impl Shelf {
    /// Nothing is under way any more: the server is new. The requests that are void by that.
    pub fn all_idle(&mut self) -> Vec<String> {
        for known in self.sessions.values_mut() {
            known.is_cut |= known.status.is_busy();
            known.status = SessionStatus::Idle;
            known.doing = None;
        }
        self.told.void();
        std::mem::take(&mut self.asks).into_keys().collect()
    }

    /// The folders in which something was under way when it was last heard of.
    pub fn folders_under_way(&self) -> BTreeSet<String> {
        let busy = self.sessions.values().filter(|known| known.status.is_busy());
        let busy = busy.map(|known| known.session.directory.clone());
        let waiting = self.asks.values().map(|open| open.directory.clone());
        busy.chain(waiting).filter(|folder| !folder.is_empty()).collect()
    }

    /// Whether an answer that was asked for at `since` can still be taken over.
    pub fn reaches(&self, since: Moment) -> bool {
        self.told.reaches(since)
    }

    /// Takes over what is under way in one folder, asked for at `since`. The sessions whose turn has ended unheard: how,
    /// their last messages tell.
    pub fn take_status(
        &mut self,
        directory: &str,
        busy: &BTreeMap<String, SessionStatus>,
        since: Moment,
    ) -> Vec<String> {
        let mut ended = Vec::new();
        for known in self.sessions.values_mut() {
            let id = &known.session.id;
            if known.session.directory != directory || self.told.has(&Thing::Turn(id.clone()), since) {
                continue;
            }
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

    /// Takes over the open requests of one folder, asked for at `since`.
    pub fn take_asks(&mut self, directory: &str, asks: &[Event], since: Moment) -> Changes {
        let listed: BTreeMap<&String, Ask> = asks.iter().filter_map(asked).collect();
        let is_settled = |told: &Told, id: &str| told.has(&Thing::Request(id.to_owned()), since);
        let gone = self
            .asks
            .iter()
            .filter(|(id, open)| open.directory == directory && !listed.contains_key(id))
            .filter(|(id, _)| !is_settled(&self.told, id));
        let closed: Vec<String> = gone.map(|(id, _)| id.clone()).collect();
        for id in &closed {
            self.asks.remove(id);
        }
        let mut opened = Vec::new();
        for (id, ask) in listed {
            let is_void = self.told.has(&Thing::Rest(ask.asker.clone()), since);
            if is_void || is_settled(&self.told, id) || self.asks.contains_key(id) {
                continue;
            }
            let directory = directory.to_owned();
            self.asks.insert(id.clone(), Open { directory, ask });
            opened.push(id.clone());
        }
        Changes { opened, closed }
    }

    /// The last messages of a session, asked for at `since`: its last words, and how its turn ended. Whether the latter
    /// was news.
    pub fn take_last(&mut self, id: &str, messages: &[Message], since: Moment) -> bool {
        let are_words_told = self.told.has(&Thing::Words(id.to_owned()), since);
        let is_end_told = self.told.has(&Thing::Turn(id.to_owned()), since);
        let Some(known) = self.sessions.get_mut(id) else {
            return false;
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
        if !are_words_told {
            known.words = words.unwrap_or_default();
        }
        if let Some(Info::Assistant(step)) = messages.last().map(|message| &message.info)
            && !is_end_told
        {
            known.has_failed = step.error.as_ref().is_some_and(|error| !error.is_abort());
            known.is_stopped = step.error.as_ref().is_some_and(Failure::is_abort);
            known.is_cut = step.time.completed.is_none() && step.error.is_none() && !known.status.is_busy();
        }
        !is_end_told
    }
}
