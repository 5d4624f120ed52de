//! Following what happens: one subscription, everything kept true.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use kit::{CancellationToken, Notice, NoticeKind, Told};
use opencode::{Signal, wire::Event};
use tokio::{task::JoinSet, time::interval};

use super::{Desk, tell};
use crate::shelf;

/// A transcript without viewers is kept this long: reloads and short walks between pages cost nothing.
pub const UNSEEN_MAX: Duration = Duration::from_secs(45);
/// How often things are tidied away.
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// How long a deleted session can be had back.
const UNDO: Duration = Duration::from_secs(10);

impl Desk {
    /// Follows until told to stop.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut events = self.api.events();
        let mut link = self.api.link();
        let mut server = self.server.status.clone();
        self.tell_outage();
        let mut tidy = interval(TIDY_EVERY);
        let mut fetches: JoinSet<()> = JoinSet::new();
        let taken = self
            .waiting_jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // A second life after a failure has no jobs to wait for: those of the first are gone with it.
        let mut jobs = taken.unwrap_or_else(|| tokio::sync::mpsc::channel(1).1);
        match self.notes.pins().await {
            Ok(pins) => self.change_shelf(|shelf| shelf.pins = pins),
            Err(error) => tracing::warn!(%error, "the pinned sessions could not be read"),
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                signal = events.recv() => {
                    self.take(signal, &mut fetches);
                    // Everything that is there already, before anybody draws.
                    while let Some(signal) = events.try_recv() {
                        self.take(signal, &mut fetches);
                    }
                }
                changed = link.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.tell_outage();
                    self.tell_shelf();
                }
                changed = server.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.tell_outage();
                }
                _ = tidy.tick() => {
                    let now = Instant::now();
                    self.drop_unseen(now);
                    self.tell_left();
                    for id in self.due(now) {
                        fetches.spawn(Arc::clone(&self).delete_now(id));
                    }
                }
                Some(job) = jobs.recv() => {
                    fetches.spawn(job);
                }
                Some(done) = fetches.join_next() => {
                    if let Err(error) = done {
                        tracing::warn!(%error, "fetching for the chat was cut short");
                    }
                }
            }
        }
        *self.waiting_jobs.lock().unwrap_or_else(PoisonError::into_inner) = Some(jobs);
        fetches.shutdown().await;
    }

    fn take(self: &Arc<Self>, signal: Signal, fetches: &mut JoinSet<()>) {
        match signal {
            Signal::Event { directory, event } => self.apply(&directory, &event, fetches),
            Signal::Connected { server, .. } => {
                let void = self.meet(server);
                self.settle(&void);
                fetches.spawn(Arc::clone(self).refresh());
            }
            Signal::Lagged => {
                fetches.spawn(Arc::clone(self).refresh());
            }
            Signal::Lost => self.tell_shelf(),
        }
    }

    /// The stream is open again: to the server that was there before, whose turns may go on, or to another one. The
    /// requests that are void by that.
    fn meet(&self, server: u64) -> Vec<String> {
        let mut live = self.lock();
        live.catalogs.clear();
        let is_same = std::mem::replace(&mut live.server, server) == server;
        if is_same {
            return Vec::new();
        }
        live.shelf.all_idle()
    }

    fn apply(self: &Arc<Self>, directory: &str, event: &Arc<Event>, fetches: &mut JoinSet<()>) {
        if matches!(**event, Event::InstanceDisposed { .. } | Event::GlobalDisposed) {
            self.lock().catalogs.clear();
            fetches.spawn(Arc::clone(self).refresh());
            return;
        }
        let mut held = self.lock();
        let live = &mut *held;
        let was_busy = event.session_id().is_some_and(|id| live.shelf.is_busy(id));
        let mut void = event
            .session_id()
            .map(|id| live.shelf.requests_of(id))
            .unwrap_or_default();
        let is_shelf_new = live.shelf.apply(directory, event, &self.home);
        void.retain(|request| !live.shelf.waiting().any(|(open, _)| open == request));
        let turn = event
            .session_id()
            .filter(|_| was_busy)
            .and_then(|id| live.shelf.turn(id));
        live.streamed.apply(event);
        let mut concerned = BTreeSet::new();
        if let Some(id) = event.session_id() {
            concerned.insert(id.to_owned());
            if is_ask(event) {
                concerned.insert(live.shelf.root_of(id).to_owned());
            }
        }
        for id in &concerned {
            if let Some(slot) = live.slots.get_mut(id) {
                Self::record(slot, event);
            }
        }
        if let Event::SessionDeleted(session) = &**event {
            live.slots.remove(&session.id);
        }
        let told = tell::told(live, event, turn);
        drop(held);
        self.settle(&void);
        match told {
            Some(Told::Notice(notice)) => self.notices.send(notice),
            Some(Told::Settled(key)) => self.notices.settle(&key),
            None => {}
        }
        if let Event::PermissionAsked(permission) = &**event
            && permission.tool.is_some()
        {
            // Told when its call is known.
            fetches.spawn(Arc::clone(self).tell_asked((**permission).clone()));
        } else if let Some((request, _)) = shelf::asked(event) {
            self.tell_waiting(request);
        }
        if is_shelf_new {
            self.tell_shelf();
        }
    }

    /// Tells that somebody has to answer, now or when nobody looks at it any more.
    pub(super) fn tell_waiting(&self, request: &str) {
        let mut live = self.lock();
        let ask = live.shelf.ask(request);
        let notice = ask.and_then(|ask| tell::waiting(&live, request, ask));
        match notice {
            Some(_) => live.seen_asks.remove(request),
            None => live.seen_asks.insert(request.to_owned()),
        };
        drop(live);
        if let Some(notice) = notice {
            self.notices.send(notice);
        }
    }

    /// Whoever looked at a question and went away without an answer hears of it where they are now.
    fn tell_left(&self) {
        let mut live = self.lock();
        if live.seen_asks.is_empty() {
            return;
        }
        let waiting: BTreeSet<String> = live.shelf.waiting().map(|(id, ..)| id.to_owned()).collect();
        live.seen_asks.retain(|request| waiting.contains(request));
        let seen = live.seen_asks.clone();
        drop(live);
        seen.iter().for_each(|request| self.tell_waiting(request));
    }

    /// The owner looks at a session: how its last turn ended is no news any more.
    pub fn seen(&self, session: &str) {
        self.notices.settle(&tell::turn_key(session));
    }

    /// Hides a session; it is deleted in a moment unless it is had back.
    pub fn let_go(&self, id: &str, now: Instant) {
        let mut live = self.lock();
        live.leaving.insert(id.to_owned(), now + UNDO);
        live.shelf.leaving.insert(id.to_owned());
        drop(live);
        self.tell_shelf();
    }

    /// Keeps a session that was about to be deleted; false when it is too late.
    pub fn take_back(&self, id: &str) -> bool {
        let mut live = self.lock();
        let was_there = live.leaving.remove(id).is_some();
        live.shelf.leaving.remove(id);
        drop(live);
        self.tell_shelf();
        was_there
    }

    fn due(&self, now: Instant) -> Vec<String> {
        let mut live = self.lock();
        let due: Vec<String> = live
            .leaving
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &due {
            live.leaving.remove(id);
        }
        due
    }

    async fn delete_now(self: Arc<Self>, id: String) {
        match self.api.delete_session("", &id).await {
            Err(error) if !error.is_missing() => {
                self.take_back(&id);
                self.notices.send(Notice {
                    kind: NoticeKind::Session,
                    key: format!("delete-{id}"),
                    title: "A session was not deleted".to_owned(),
                    body: format!("{error}. It is on the page again; delete it when opencode runs."),
                    page: "/chat".to_owned(),
                    answers: Vec::new(),
                    away: None,
                });
            }
            Ok(()) | Err(_) => {}
        }
    }
}

fn is_ask(event: &Event) -> bool {
    matches!(
        event,
        Event::PermissionAsked(_)
            | Event::PermissionReplied { .. }
            | Event::QuestionAsked(_)
            | Event::QuestionClosed { .. }
    )
}
