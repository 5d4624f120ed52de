//! The guarded door as the desktop and the command line need it.

use kit::Secret;
use tokio::sync::watch;

/// What a ticket is for; decides how long it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A window of ours.
    Window,
    /// A link for a browser.
    Link,
    /// The first link, before there is a password.
    SetUp,
}

/// Where pages are and how to get in. The gateway's door, or a stand-in for tests.
pub trait Entrance: Send + Sync + 'static {
    /// E.g. `http://127.0.0.1:41234`; `None` until the gateway serves.
    fn local_url(&self) -> watch::Receiver<Option<String>>;

    /// A new ticket that leads to `path`. Enters once.
    fn ticket(&self, purpose: Purpose, path: &str) -> Secret;
}
