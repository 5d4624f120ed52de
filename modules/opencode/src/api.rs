//! Typed calls to the running server.

mod call;
mod catalog;
mod error;
mod messages;
mod requests;
mod sessions;

use std::sync::{Arc, atomic::AtomicU64};

use anyhow::Context;
use tokio::sync::watch;

use kit::{EventTap, Upstream};

use crate::events::{EventReader, Events, Hub, Link};

pub use catalog::FileSearch;
pub use error::ApiError;
pub use messages::{CommandCall, MessagePage, ShellCall};
pub use sessions::{SessionFilter, SessionPage};

/// Calls to whichever server runs now. Cheap to clone.
///
/// Each call names the project folder it is about, because the server keeps its state per folder. A call made while
/// no server is healthy fails at once with [`ApiError::Down`]; nothing is queued or repeated here.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    upstream: watch::Receiver<Option<Upstream>>,
    hub: Hub,
}

impl Api {
    /// Calls to the server that `upstream` names, and the reader of its events, which is to be run beside them. `heard`
    /// is counted up by what comes on the event stream.
    ///
    /// # Errors
    /// When no HTTP client can be made, which only happens when the process is out of resources.
    pub fn connect(
        upstream: watch::Receiver<Option<Upstream>>,
        heard: Arc<AtomicU64>,
    ) -> anyhow::Result<(Self, EventReader)> {
        let http = call::client().context("could not make the HTTP client for opencode")?;
        let hub = Hub::new();
        let reader = EventReader::new(hub.clone(), upstream.clone(), heard);
        Ok((Self { http, upstream, hub }, reader))
    }

    /// Says why there is no server, for [`ApiError::Down`] and [`Link::Down`].
    pub(crate) fn down_because(&self, reason: &str) {
        self.hub.down(reason);
    }

    /// Whether the event stream is open; its epoch counts the connections made.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.hub.link()
    }

    /// A subscription to what happens on the server, from now on.
    pub fn events(&self) -> Events {
        self.hub.events()
    }

    /// The lines of the event stream as they came, for handing on.
    pub fn event_tap(&self) -> EventTap {
        self.hub.tap()
    }
}
