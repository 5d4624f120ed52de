//! The guarded door as the desktop needs it.

use gateway::{Door, Purpose, Ticket};
use tokio::sync::watch;

/// Where pages are and how to get in: the gateway's door, or a stand-in for tests.
pub trait Entrance: Send + Sync + 'static {
    /// E.g. `http://127.0.0.1:41234`; `None` until the gateway serves.
    fn local_url(&self) -> watch::Receiver<Option<String>>;

    /// A new ticket that leads to `path`. Enters once.
    fn ticket(&self, purpose: Purpose, path: &str) -> Ticket;
}

impl Entrance for Door {
    fn local_url(&self) -> watch::Receiver<Option<String>> {
        Door::local_url(self)
    }

    fn ticket(&self, purpose: Purpose, path: &str) -> Ticket {
        Door::ticket(self, purpose, path)
    }
}
