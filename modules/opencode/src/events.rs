//! What happens on the server, as it happens.
//!
//! One reader holds the one connection to `GET /global/event`. Whoever wants to know subscribes here: typed events
//! through [`Events`], the lines themselves through a tap. The stream has no replay, so each subscriber is told when
//! it was opened anew and fetches then what it shows.

mod reader;
mod sse;
mod stream;
mod tap;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use kit::EventTap;
use tokio::sync::{
    broadcast,
    broadcast::error::{RecvError, TryRecvError},
    watch,
};

use crate::wire::Event;

pub use reader::EventReader;

/// Events a subscriber may be behind before it is told to fetch anew. A burst of tool output is some hundred, and a
/// fast model sends 300 a second.
const SIGNALS_MAX: usize = 4096;

/// Whether the event stream is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// No.
    Down {
        /// Why, e.g. `"it is starting"`.
        reason: String,
    },
    /// Yes.
    Up {
        /// Counts the connections since the agent started, from 1.
        epoch: u64,
        /// Counts the servers, from 1: the same number means the same address and password. One that is run here has
        /// another password at each start; one of somebody else may have been started again.
        server: u64,
    },
}

/// What a subscriber is told, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// The stream is open (anew). Fetch what you show; events from here on are complete.
    Connected {
        /// As in [`Link::Up`].
        epoch: u64,
        /// As in [`Link::Up`].
        server: u64,
    },
    /// Something happened.
    Event {
        /// The project folder; empty for the server itself.
        directory: Arc<str>,
        /// What.
        event: Arc<Event>,
    },
    /// The stream broke. Nothing is known until it is open again.
    Lost,
    /// This subscriber was too slow and has missed events. Fetch what you show.
    Lagged,
}

/// Joins the reader with its subscribers.
#[derive(Clone)]
pub(crate) struct Hub {
    link: watch::Sender<Link>,
    signals: broadcast::Sender<Signal>,
    taps: tap::Taps,
    epochs: Arc<AtomicU64>,
    servers: Arc<AtomicU64>,
}

impl Hub {
    pub(crate) fn new() -> Self {
        let link = Link::Down {
            reason: "it has not been started yet".to_owned(),
        };
        Self {
            link: watch::Sender::new(link),
            signals: broadcast::Sender::new(SIGNALS_MAX),
            taps: tap::Taps::default(),
            epochs: Arc::default(),
            servers: Arc::default(),
        }
    }

    pub(crate) fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    pub(crate) fn events(&self) -> Events {
        // Subscribed before the link is looked at: what happens in between is then in the queue.
        let signals = self.signals.subscribe();
        let mut link = self.link.subscribe();
        let open = match *link.borrow_and_update() {
            Link::Up { epoch, server } => Some((epoch, server)),
            Link::Down { .. } => None,
        };
        Events {
            link,
            signals,
            open,
            epoch_told: 0,
        }
    }

    pub(crate) fn tap(&self) -> EventTap {
        tap::tap(self.link.clone(), self.taps.clone())
    }

    /// Another server than before is about to be listened to.
    fn met(&self) {
        self.servers.fetch_add(1, Ordering::Relaxed);
    }

    /// The next connection is open.
    fn connected(&self) {
        let epoch = self.epochs.fetch_add(1, Ordering::Relaxed) + 1;
        let server = self.servers.load(Ordering::Relaxed);
        self.link.send_replace(Link::Up { epoch, server });
        self.tell(Signal::Connected { epoch, server });
    }

    /// There is no stream, for this reason. Told once per loss; the reason may change while it lasts.
    pub(crate) fn down(&self, reason: &str) {
        let mut was_up = false;
        self.link.send_if_modified(|link| {
            was_up = matches!(link, Link::Up { .. });
            let now = Link::Down {
                reason: reason.to_owned(),
            };
            let is_new = *link != now;
            *link = now;
            is_new
        });
        if was_up {
            self.taps.end();
            self.tell(Signal::Lost);
        }
    }

    /// Hands one line of the stream on, as it came.
    fn pass(&self, json: &str) {
        self.taps.pass(json);
    }

    fn tell(&self, signal: Signal) {
        // An error only means that nobody listens now; who comes later fetches what it needs.
        self.signals.send(signal).ok();
    }
}

/// One subscription. Dropping it ends it.
pub struct Events {
    link: watch::Receiver<Link>,
    signals: broadcast::Receiver<Signal>,
    /// The connection that was open when this subscription began, and its server, until that has been told.
    open: Option<(u64, u64)>,
    epoch_told: u64,
}

impl Events {
    /// The next signal. Waits for ever when nothing happens; safe to cancel.
    ///
    /// The first one is [`Signal::Connected`] at once when the stream is open already.
    pub async fn recv(&mut self) -> Signal {
        loop {
            if let Some(signal) = self.first() {
                return signal;
            }
            let signal = match self.signals.recv().await {
                Ok(signal) => self.take(signal),
                Err(RecvError::Lagged(count)) => Some(self.skip(count)),
                // Nobody is left who could ever say anything.
                Err(RecvError::Closed) => std::future::pending().await,
            };
            if let Some(signal) = signal {
                return signal;
            }
        }
    }

    /// The next signal if there is one now: what a subscriber drains before it draws.
    pub fn try_recv(&mut self) -> Option<Signal> {
        loop {
            if let Some(signal) = self.first() {
                return Some(signal);
            }
            let signal = match self.signals.try_recv() {
                Ok(signal) => self.take(signal),
                Err(TryRecvError::Lagged(count)) => Some(self.skip(count)),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            };
            if signal.is_some() {
                return signal;
            }
        }
    }

    fn first(&mut self) -> Option<Signal> {
        let (epoch, server) = self.open.take()?;
        self.epoch_told = epoch;
        Some(Signal::Connected { epoch, server })
    }

    /// What becomes of a signal; `None` for what the subscriber knows already.
    fn take(&mut self, signal: Signal) -> Option<Signal> {
        if let Signal::Connected { epoch, .. } = signal {
            if epoch == self.epoch_told {
                return None;
            }
            self.epoch_told = epoch;
        }
        if signal == Signal::Lost {
            // The next connection is to be told even if it is the one the link showed already.
            self.epoch_told = 0;
        }
        Some(signal)
    }

    /// Signals were missed. What is still queued is older than what the subscriber will fetch now, so it goes too.
    fn skip(&mut self, count: u64) -> Signal {
        tracing::debug!(count, "a subscriber to opencode's events was too slow");
        self.signals = self.signals.resubscribe();
        match *self.link.borrow_and_update() {
            Link::Up { epoch, server } if epoch != self.epoch_told => {
                self.epoch_told = epoch;
                Signal::Connected { epoch, server }
            }
            Link::Up { .. } => Signal::Lagged,
            Link::Down { .. } => Signal::Lost,
        }
    }
}

#[cfg(test)]
mod tests;
