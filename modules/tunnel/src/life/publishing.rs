//! How remote access is shown, and told.

use std::time::SystemTime;

use super::{Life, asking::long_lost};
use crate::{
    Wish,
    shown::{self, View},
};

impl Life<'_> {
    pub(super) fn publish(&mut self) {
        let run = self.run.borrow().clone();
        let view = View {
            is_wanted: *self.module.wish.borrow() == Wish::On,
            blocked: self.blocked.clone(),
            mode: self.used.mode,
            origin: self.origin(),
            is_undecided: self.objections.are_undecided(),
            phase: self.phase.borrow().clone(),
            connections: self.connections,
            was_connected: self.was_connected,
            is_long_lost: self
                .lost_since
                .is_some_and(|since| since.elapsed() >= long_lost()),
            trouble: self.trouble,
            names: self.used.names(),
            profile: self.used.profile.clone(),
            host: self.allowed_hosts().first().cloned(),
            is_nameless: self.hosts.as_ref().is_some_and(Vec::is_empty),
            off_at: self.off_at.map(|(_, at)| at),
            version: run.and_then(|run| run.version).map(|version| version.to_string()),
            reach: self.tries.reach.clone(),
            download: *self.module.downloads.progress().borrow(),
            is_missing: *self.module.is_missing.borrow(),
            restarts: self.module.handle.restarts(),
        };
        let held = self.module.status.borrow().state;
        if shown::state(&view).0 != held {
            self.since = SystemTime::now();
        }
        let status = shown::status(&view, self.since);
        if let Some(notice) = self.told.follow(&status, view.url().as_deref()) {
            self.module.notices.send(notice);
        }
        self.module.status.send_if_modified(|held| {
            let is_new = *held != status;
            if is_new {
                *held = status;
            }
            is_new
        });
    }
}
