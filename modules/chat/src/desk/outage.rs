//! What a viewer is told while opencode cannot be asked, and how it is had back from afar.

use std::sync::Arc;

use kit::{ActError, BoxFuture, State, Status};
use opencode::Link;
use tokio::sync::watch;

use super::Desk;
use crate::view::Outage;

/// The server as somebody needs it who cannot see this machine.
pub struct Server {
    /// How it is.
    pub status: watch::Receiver<Status>,
    /// What it printed last, oldest line first, without secrets.
    pub last_lines: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// Has it started anew, if it is down or hangs. Does not wait until it runs.
    pub revive: Arc<dyn Fn() -> BoxFuture<'static, Result<(), ActError>> + Send + Sync>,
}

impl Desk {
    /// What viewers are told, if opencode is down or hangs.
    pub fn outage(&self) -> Option<Outage> {
        let (state, cause) = {
            let status = self.server.status.borrow();
            (status.state, status.reason.clone())
        };
        let reason = match self.trouble() {
            Some(trouble) => trouble,
            // Its stream is open still, so that nothing but the missing answers tells.
            None if state == State::Unresponsive => {
                cause.unwrap_or_else(|| "opencode does not answer.".to_owned())
            }
            None => return None,
        };
        let remedy = remedy(state);
        Some(Outage {
            reason,
            last_lines: remedy.map_or_else(Vec::new, |_| (self.server.last_lines)()),
            remedy,
        })
    }

    /// Changes when [`outage`](Self::outage) does.
    pub fn outages(&self) -> watch::Receiver<Option<Outage>> {
        self.outages.subscribe()
    }

    /// Has opencode started anew.
    pub async fn revive(&self) -> Result<(), ActError> {
        (self.server.revive)().await
    }

    pub(super) fn tell_outage(&self) {
        let outage = self.outage();
        self.outages.send_if_modified(|told| {
            let is_new = *told != outage;
            *told = outage;
            is_new
        });
    }

    /// Why opencode cannot be asked now, as a sentence; `None` while it can.
    pub fn trouble(&self) -> Option<String> {
        match &*self.api.link().borrow() {
            Link::Up { .. } => None,
            Link::Down { reason } => {
                Some(format!("opencode cannot be reached: {reason}.").replace("..", "."))
            }
        }
    }
}

fn remedy(state: State) -> Option<&'static str> {
    match state {
        State::Unresponsive => Some("Restart opencode"),
        State::Stopped | State::Backoff | State::Degraded | State::NeedsAction => Some("Start opencode"),
        State::Starting
        | State::Healthy
        | State::Running
        | State::Stopping
        | State::Off
        | State::Blocked
        | State::Connected
        | State::Reconnecting => None,
    }
}
