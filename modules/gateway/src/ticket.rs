//! Single-use tickets: how a person at the machine enters without a password.
//!
//! Whoever can ask the agent for one (the tray, the command line, both the same user) is at the machine. A ticket
//! lives in memory only: after a restart none is valid.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kit::{Listener, Secret};
use tokio::time::Instant;

use crate::{
    path,
    token::{self, Fingerprint},
};

/// How long a ticket waits to be used.
const LIFE: Duration = Duration::from_secs(60);

/// The same for the first set-up: people read the page first, perhaps on another screen.
const SET_UP_LIFE: Duration = Duration::from_secs(600);

/// The same for a phone: its camera has to be found and unlocked first.
const PAIRING_LIFE: Duration = Duration::from_secs(600);

/// Tickets that wait at most; the oldest makes room.
const TICKETS_MAX: usize = 64;

/// What a ticket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The program's own window: one replaceable session.
    Window,
    /// A link that is opened in a browser.
    Link,
    /// The link of the first start.
    SetUp,
    /// The code that a phone scans. Leads in from outside, where no other ticket does, and nowhere else.
    Pairing,
}

impl Purpose {
    /// The one listener on which such a ticket is worth something.
    pub(crate) fn listener(self) -> Listener {
        match self {
            Self::Window | Self::Link | Self::SetUp => Listener::Local,
            Self::Pairing => Listener::Tunnel,
        }
    }
}

/// A ticket as it is handed out.
#[derive(Debug)]
pub struct Ticket {
    /// What `/enter` takes. For the `Authorization: Ticket …` header, or for a link.
    pub secret: Secret,
    /// How long it is valid.
    pub life: Duration,
}

impl Ticket {
    /// The link to hand to a person, e.g. `http://127.0.0.1:4100/enter?ticket=…`. It contains the secret.
    pub fn link(&self, local_url: &str) -> Secret {
        Secret::new(format!(
            "{}/enter?ticket={}",
            local_url.trim_end_matches('/'),
            self.secret.expose()
        ))
    }

    /// The link a phone scans, e.g. `https://nexus.example.com/pair?code=…`. It contains the secret.
    pub(crate) fn pairing_link(&self, public_url: &str) -> Secret {
        Secret::new(format!(
            "{}/pair?code={}",
            public_url.trim_end_matches('/'),
            self.secret.expose()
        ))
    }
}

/// What a valid ticket leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) purpose: Purpose,
    pub(crate) path: String,
    /// The session of the device it was sent to: it leads in only while that one lives, and in its place.
    pub(crate) replaces: Option<String>,
    /// Calls of [`Tickets::clear`] before it was consumed.
    clearings: u64,
}

/// The tickets that wait.
#[derive(Default)]
pub(crate) struct Tickets(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    tickets: HashMap<Fingerprint, (Entry, Instant)>,
    clearings: u64,
}

impl Tickets {
    /// Makes a ticket that leads to `path`; a path that is no page of ours becomes the start page.
    pub(crate) fn issue(&self, purpose: Purpose, path: &str, now: Instant) -> Ticket {
        self.issue_in_place_of(None, purpose, path, now)
    }

    /// The same for somebody who has a session, which ends when the ticket is used.
    pub(crate) fn issue_in_place_of(
        &self,
        replaces: Option<String>,
        purpose: Purpose,
        path: &str,
        now: Instant,
    ) -> Ticket {
        let path = if path::is_own_page(path) { path } else { "/" };
        let life = match purpose {
            Purpose::Window | Purpose::Link => LIFE,
            Purpose::SetUp => SET_UP_LIFE,
            Purpose::Pairing => PAIRING_LIFE,
        };
        let secret = token::fresh();
        // A fresh token always has a fingerprint.
        let fingerprint = token::fingerprint(secret.expose()).unwrap_or_default();
        let mut waiting = self.lock();
        let entry = Entry {
            purpose,
            path: path.to_owned(),
            replaces,
            clearings: waiting.clearings,
        };
        let tickets = &mut waiting.tickets;
        tickets.retain(|_, (_, until)| *until > now);
        if tickets.len() >= TICKETS_MAX {
            let oldest = tickets
                .iter()
                .min_by_key(|(_, (_, until))| *until)
                .map(|(key, _)| *key);
            tickets.remove(&oldest.unwrap_or_default());
        }
        tickets.insert(fingerprint, (entry, now + life));
        Ticket { secret, life }
    }

    /// Uses a ticket up. `None` when it is unknown, used, too old, or for another listener, where it stays good.
    pub(crate) fn consume(&self, secret: &str, listener: Listener, now: Instant) -> Option<Entry> {
        let fingerprint = token::fingerprint(secret)?;
        let tickets = &mut self.lock().tickets;
        let (entry, _) = tickets.get(&fingerprint)?;
        if entry.purpose.listener() != listener {
            return None;
        }
        let (entry, until) = tickets.remove(&fingerprint)?;
        (until > now).then_some(entry)
    }

    /// Makes every ticket worthless, and with it the entries that were consumed and are not through the door yet.
    pub(crate) fn clear(&self) {
        let mut waiting = self.lock();
        waiting.tickets.clear();
        waiting.clearings += 1;
    }

    /// Whether an entry still leads in.
    pub(crate) fn holds(&self, entry: &Entry) -> bool {
        self.lock().clearings == entry.clearings
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_works_once_and_not_for_long() {
        let tickets = Tickets::default();
        let now = Instant::now();
        let one = tickets.issue(Purpose::Link, "/chat", now);
        let late = tickets.issue(Purpose::Link, "/chat", now);
        let set_up = tickets.issue(Purpose::SetUp, "/onboarding", now);

        let entry = tickets.consume(one.secret.expose(), Listener::Local, now);

        assert_eq!(entry.map(|entry| entry.path).as_deref(), Some("/chat"));
        assert_eq!(tickets.consume(one.secret.expose(), Listener::Local, now), None);
        assert_eq!(
            tickets.consume(late.secret.expose(), Listener::Local, now + LIFE),
            None
        );
        assert_eq!(tickets.consume(&"0".repeat(64), Listener::Local, now), None);
        assert!(
            tickets
                .consume(
                    set_up.secret.expose(),
                    Listener::Local,
                    now + SET_UP_LIFE - Duration::from_secs(1)
                )
                .is_some()
        );
    }

    #[test]
    fn a_ticket_leads_to_our_own_pages_only() {
        let tickets = Tickets::default();
        let now = Instant::now();

        let ticket = tickets.issue(Purpose::Link, "//evil.example", now);

        assert_eq!(
            tickets
                .consume(ticket.secret.expose(), Listener::Local, now)
                .unwrap()
                .path,
            "/"
        );
    }

    #[test]
    fn cleared_tickets_lead_nowhere_and_later_ones_do() {
        let tickets = Tickets::default();
        let now = Instant::now();
        let under_way = tickets.issue(Purpose::Link, "/chat", now);
        let waiting = tickets.issue(Purpose::Link, "/chat", now);
        let entry = tickets
            .consume(under_way.secret.expose(), Listener::Local, now)
            .unwrap();
        assert!(tickets.holds(&entry));

        tickets.clear();

        assert!(!tickets.holds(&entry));
        assert_eq!(
            tickets.consume(waiting.secret.expose(), Listener::Local, now),
            None
        );
        let later = tickets.issue(Purpose::Link, "/chat", now);
        let entry = tickets
            .consume(later.secret.expose(), Listener::Local, now)
            .unwrap();
        assert!(tickets.holds(&entry));
    }

    #[test]
    fn each_ticket_is_for_one_side_and_the_other_side_does_not_burn_it() {
        let tickets = Tickets::default();
        let now = Instant::now();
        for (purpose, right, wrong) in [
            (Purpose::Link, Listener::Local, Listener::Tunnel),
            (Purpose::Pairing, Listener::Tunnel, Listener::Local),
        ] {
            let ticket = tickets.issue(purpose, "/chat", now);
            let secret = ticket.secret.expose();

            assert_eq!(tickets.consume(secret, wrong, now), None, "{purpose:?}");
            assert!(tickets.consume(secret, right, now).is_some(), "{purpose:?}");
            assert_eq!(tickets.consume(secret, right, now), None, "{purpose:?}");
        }
    }

    #[test]
    fn waiting_tickets_are_bounded() {
        let tickets = Tickets::default();
        let now = Instant::now();
        let first = tickets.issue(Purpose::Link, "/", now);
        for second in 1..=TICKETS_MAX as u64 {
            tickets.issue(Purpose::Link, "/", now + Duration::from_millis(second));
        }

        assert_eq!(tickets.lock().tickets.len(), TICKETS_MAX);
        assert_eq!(tickets.consume(first.secret.expose(), Listener::Local, now), None);
    }
}
