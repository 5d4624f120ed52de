//! How remote access begins: the gateway's port first, then a cloudflared that leads to it, then the names it has.

use kit::{Origin, Outside};
use supervisor::Request;

use super::{Life, MUTE_MAX};
use crate::settings::Mode;

impl Life<'_> {
    pub(super) fn ask_for_port(&self) {
        let outside = Outside {
            is_wanted: true,
            is_held: false,
            port: self.used.port,
            hosts: self.allowed_hosts(),
            is_lasting: self.used.mode != Mode::Quick,
        };
        self.module.outside.send_if_modified(|held| {
            let is_new = *held != outside;
            *held = outside;
            is_new
        });
    }

    /// Where the gateway's port stands, as far as what it says is an answer to what was asked.
    pub(super) fn origin(&self) -> Origin {
        if self.has_answer {
            self.origin.borrow().clone()
        } else {
            Origin::Opening
        }
    }

    /// Names that are answered: none before cloudflared said which are its own.
    pub(super) fn allowed_hosts(&self) -> Vec<String> {
        // It may lead anywhere meanwhile.
        if self.mute >= MUTE_MAX {
            return Vec::new();
        }
        match self.used.mode {
            Mode::Manual | Mode::Local if !self.used.public_host.is_empty() => {
                vec![self.used.public_host.clone()]
            }
            Mode::Quick | Mode::Token | Mode::Manual | Mode::Local => self.hosts.clone().unwrap_or_default(),
        }
    }

    pub(super) async fn have_running(&mut self, port: u16) {
        if self.used.mode == Mode::Manual || self.objections.are_undecided() {
            return;
        }
        let runs_elsewhere = self
            .run
            .borrow()
            .as_ref()
            .is_some_and(|run| run.origin_port != port);
        let request = if runs_elsewhere {
            Request::Restart
        } else {
            Request::Start
        };
        self.request(request).await;
    }
}
