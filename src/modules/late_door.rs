//! The door, for modules that are built before it.

use std::sync::{Arc, OnceLock};

use gateway::Door;
use kit::{BoxFuture, Caller, Secret};
use onboarding::Passwords;
use tokio::sync::watch;

/// The door for a module that is built before it.
#[derive(Clone, Default)]
pub(super) struct LateDoor(Arc<OnceLock<Door>>);

impl LateDoor {
    pub(super) fn set(&self, door: Door) {
        // Set once, in `build`.
        drop(self.0.set(door));
    }
}

impl notices::Sessions for LateDoor {
    fn is_there(&self, session: &str) -> bool {
        self.0.get().is_some_and(|door| door.has_session(session))
    }

    fn changed(&self) -> watch::Receiver<usize> {
        match self.0.get() {
            Some(door) => door.session_count(),
            // Nobody is told anything before the door is there.
            None => watch::Sender::new(0).subscribe(),
        }
    }

    fn site(&self) -> Option<String> {
        self.0.get().and_then(Door::public_url)
    }

    fn link(&self, session: &str) -> Option<notices::Link> {
        let pairing = self.0.get()?.pairing_again(session).ok()?;
        Some(notices::Link {
            url: pairing.link,
            site: pairing.site,
            life: pairing.life,
        })
    }
}

impl Passwords for LateDoor {
    fn is_set(&self) -> bool {
        self.0.get().is_some_and(Door::has_password)
    }

    fn suggest(&self) -> String {
        gateway::credential::passphrase().expose().to_owned()
    }

    fn set<'a>(&'a self, caller: &'a Caller, password: Secret) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            match self.0.get() {
                Some(door) => door.set_first_password(caller, password).await,
                None => Err("The program is still starting. Try again in a moment.".to_owned()),
            }
        })
    }
}
