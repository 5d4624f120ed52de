//! What has to hold while anybody may come in from outside, as something to wait for.

use kit::{Setting, State, Status};
use tokio::sync::watch;

use crate::{access::AccessSettings, credential::Watched};

/// What [`Tunnelled::fault`](super::Tunnelled::fault) looks at.
pub(super) struct Rules {
    pub(super) password: Watched,
    pub(super) access: Setting<AccessSettings>,
    pub(super) local: watch::Receiver<Status>,
    /// When it was looked at last.
    pub(super) is_local_lost: bool,
}

impl Rules {
    pub(super) async fn may_differ(&mut self) {
        tokio::select! {
            () = self.password.may_differ() => {}
            _ = self.access.changed() => {}
            () = turned(&mut self.local, self.is_local_lost) => self.is_local_lost = !self.is_local_lost,
        }
    }
}

/// Whoever is at the machine could not shut it there: no pages, no way in from outside.
pub(super) fn local_fault(local: &watch::Receiver<Status>) -> Option<String> {
    let local = local.borrow();
    let reason = local.reason.as_deref().unwrap_or_default();
    (local.state == State::NeedsAction)
        .then(|| format!("The pages cannot be served at the machine itself, so nothing is outside. {reason}"))
}

/// Waits until the port for this machine is lost, or there again.
async fn turned(local: &mut watch::Receiver<Status>, was_lost: bool) {
    let is_other = |status: &Status| (status.state == State::NeedsAction) != was_lost;
    if local.wait_for(is_other).await.is_err() {
        std::future::pending::<()>().await;
    }
}
