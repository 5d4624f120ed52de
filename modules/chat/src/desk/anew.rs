//! Fetching what was missed: after the event stream was away, a subscriber was too slow, or a server is new.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use opencode::{api::SessionFilter, wire::Event};

use tokio::time::sleep;

use super::{Desk, tell};
use crate::shelf::{Moment, Shelf};

/// Sessions listed at once.
const LIST_SESSIONS: usize = 200;
/// Sessions whose last words are fetched for their cards.
const WORDS_SESSIONS: usize = 12;
/// Messages that tell how a turn ended.
const END_MESSAGES: usize = 2;
/// Configured folders whose state is fetched; each costs the server an instance.
const FOLDERS_MAX: usize = 4;
/// Seconds that are waited before a folder that could not be asked is asked again. After the last time it is left alone and
/// told.
const ASK_AGAIN_S: [u64; 6] = [1, 2, 5, 15, 30, 60];

impl Desk {
    /// Fetches the list, what is under way, and what pages show.
    pub(super) async fn refresh(self: Arc<Self>) {
        let round = self.begin_round();
        let open = self.keep_open_only();
        for id in open {
            if let Err(error) = self.refetch(&id).await {
                tracing::debug!(%error, "a session on a page could not be fetched again");
            }
        }
        // Sessions that were had back from the archive are on the second list only.
        for includes_archived in [false, true] {
            let filter = SessionFilter {
                limit: Some(LIST_SESSIONS),
                includes_archived,
                ..SessionFilter::default()
            };
            let since = self.shelf(Shelf::now);
            match self.api.all_sessions(&filter).await {
                Ok(page) => self.change_shelf(|shelf| shelf.take_list(page.sessions, since)),
                Err(error) => tracing::warn!(%error, "the sessions could not be listed"),
            }
        }
        let mut silent = Vec::new();
        for folder in self.folders_to_ask() {
            if !self.look_into(&folder).await {
                silent.push(folder);
            }
        }
        self.last_words().await;
        self.ask_again(silent, round).await;
    }

    /// Everything is asked for: what earlier rounds still wait for is void.
    fn begin_round(&self) -> u64 {
        let mut live = self.lock();
        live.silent.clear();
        live.round += 1;
        live.round
    }

    /// Asks folders that did not answer again, until they do, another round begins or the server is gone.
    async fn ask_again(&self, mut silent: Vec<String>, round: u64) {
        for wait_s in ASK_AGAIN_S {
            if silent.is_empty() {
                return;
            }
            sleep(Duration::from_secs(wait_s)).await;
            if self.lock().round != round || self.trouble().is_some() {
                return;
            }
            for folder in std::mem::take(&mut silent) {
                if self.look_into(&folder).await {
                    self.refetch_in(&folder).await;
                } else {
                    silent.push(folder);
                }
            }
        }
        if silent.is_empty() {
            return;
        }
        tracing::warn!(
            folders = silent.len(),
            "what goes on in some folders is not known"
        );
        let mut live = self.lock();
        if live.round == round {
            live.silent = silent;
        }
        drop(live);
        self.tell_shelf();
    }

    /// Pages that were fetched while their folder did not answer show what was known before.
    async fn refetch_in(&self, folder: &str) {
        let shown: Vec<String> = {
            let live = self.lock();
            let is_there = |id: &&String| {
                live.shelf
                    .session(id)
                    .is_some_and(|known| known.directory == folder)
            };
            live.slots.keys().filter(is_there).cloned().collect()
        };
        for id in shown {
            if let Err(error) = self.refetch(&id).await {
                tracing::debug!(%error, "a session on a page could not be fetched again");
            }
        }
    }

    /// Forgets transcripts nobody looks at and names the others.
    fn keep_open_only(&self) -> Vec<String> {
        let mut live = self.lock();
        live.slots.retain(|_, slot| {
            let viewers = slot
                .transcript
                .as_ref()
                .map_or(0, |transcript| transcript.viewers());
            slot.recorded.is_some() || viewers > 0
        });
        live.slots.keys().cloned().collect()
    }

    /// The folders this program knows to be in use: those of pages, those something was under way in, and the first of
    /// the projects.
    fn folders_to_ask(&self) -> BTreeSet<String> {
        let live = self.lock();
        let mut folders = live.shelf.folders_under_way();
        let shown = live.slots.keys().filter_map(|id| live.shelf.session(id));
        folders.extend(shown.map(|session| session.directory.clone()));
        folders.extend(self.settings.get().projects.into_iter().take(FOLDERS_MAX));
        folders
    }

    /// What is under way in one folder. One that cannot be asked stays as it is known; false then.
    async fn look_into(&self, folder: &str) -> bool {
        // One at a time: of two answers nothing tells which is the newer one.
        let _turn = self.looking.lock().await;
        let since = self.shelf(Shelf::now);
        let (status, permissions, questions) = tokio::join!(
            self.api.status(folder),
            self.api.permissions(folder),
            self.api.questions(folder)
        );
        let (Ok(status), Ok(permissions), Ok(questions)) = (status, permissions, questions) else {
            return false;
        };
        self.learn_askers(&permissions, &questions).await;
        if !self.shelf(|shelf| shelf.reaches(since)) {
            return false;
        }
        let ended = self.change_shelf(|shelf| shelf.take_status(folder, &status, since));
        let permissions = permissions.into_iter().map(Box::new).map(Event::PermissionAsked);
        let questions = questions.into_iter().map(Box::new).map(Event::QuestionAsked);
        let asks: Vec<Event> = permissions
            .chain(questions)
            // A request of a session that does nothing is void.
            .filter(|event| event.session_id().is_some_and(|id| status.contains_key(id)))
            .collect();
        self.take_asks(folder, &asks, since).await;
        for id in ended {
            self.learn_end(&id).await;
        }
        true
    }

    /// Requests that were made while nobody listened are told as those that are heard.
    async fn take_asks(&self, folder: &str, asks: &[Event], since: Moment) {
        let changes = self.change_shelf(|shelf| shelf.take_asks(folder, asks, since));
        self.settle(&changes.closed);
        let is_new = |request: &String| changes.opened.contains(request);
        for event in asks {
            if let Event::PermissionAsked(permission) = event
                && is_new(&permission.id)
            {
                self.learn_call(permission).await;
            }
        }
        changes
            .opened
            .iter()
            .for_each(|request| self.tell_waiting(request));
    }

    /// Takes back what was told of requests that are closed.
    pub(super) fn settle(&self, requests: &[String]) {
        for request in requests {
            self.notices.settle(&tell::ask_key(request));
        }
    }

    /// How a turn ended that nobody heard the end of.
    async fn learn_end(&self, id: &str) {
        let since = self.shelf(Shelf::now);
        let Ok(page) = self.api.messages("", id, END_MESSAGES, None).await else {
            return;
        };
        if !self.change_shelf(|shelf| shelf.take_last(id, &page.messages, since)) {
            return;
        }
        let live = self.lock();
        let notice = live.shelf.turn(id).and_then(|turn| tell::ended(&live, id, turn));
        drop(live);
        if let Some(notice) = notice {
            self.notices.send(notice);
        }
    }

    /// The last words of the sessions on cards.
    async fn last_words(&self) {
        let ids: Vec<String> = self.shelf(|shelf| {
            let cards = shelf.cards().into_iter().filter(|card| card.words.is_empty());
            cards.take(WORDS_SESSIONS).map(|card| card.id).collect()
        });
        for id in ids {
            let since = self.shelf(Shelf::now);
            if let Ok(page) = self.api.messages("", &id, END_MESSAGES, None).await {
                self.change_shelf(|shelf| shelf.take_last(&id, &page.messages, since));
            }
        }
    }
}
