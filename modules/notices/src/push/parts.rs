//! What the rest of the program gives for telling devices, and what it may be told.

use std::{sync::Arc, time::Duration};

use https::FetchError;
use kit::{ActError, BoxFuture, ModuleId, Reply, Secret, Verb};
use store::StoreError;
use tokio::sync::watch;

use super::identity::NoIdentity;

/// Who is logged in.
pub trait Sessions: Send + Sync {
    /// Whether this session lives.
    fn is_there(&self, session: &str) -> bool;
    /// Changes when one begins or ends.
    fn changed(&self) -> watch::Receiver<usize>;
    /// Where devices reach this machine now, e.g. `https://nexus.example.com`; `None` while they do not.
    fn site(&self) -> Option<String>;
    /// A link with which the device of this session pairs again where the machine is now, in place of that session;
    /// `None` while devices do not reach it.
    fn link(&self, session: &str) -> Option<Link>;
}

/// A link that pairs one device, once.
pub struct Link {
    /// What it opens, e.g. `https://nexus.example.com/pair?code=…`.
    pub url: Secret,
    /// Where that leads, e.g. `https://nexus.example.com`.
    pub site: String,
    /// How long it is good.
    pub life: Duration,
}

/// Asks something of a module.
pub type Call = Arc<dyn Fn(ModuleId, Verb) -> BoxFuture<'static, Result<Reply, ActError>> + Send + Sync>;

/// Whether a folder may be seen from outside. Looks at the disk.
pub type SeenOutside = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What the rest of the program gives for this.
pub struct Away {
    /// Whose devices are told.
    pub sessions: Arc<dyn Sessions>,
    /// What a pressed button is done with.
    pub call: Call,
    /// What may leave the machine.
    pub seen_outside: SeenOutside,
}

/// Why a device is not told from now on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    /// What came is no subscription.
    #[error("What the browser gave is no subscription.")]
    Nonsense,
    /// It names a service nobody knows.
    #[error("The push service of this browser is none that is known ({0}), so nothing is sent there.")]
    Stranger(#[source] FetchError),
    /// There is no key to sign with.
    #[error("Devices cannot be told: {0}.")]
    Unsigned(#[from] NoIdentity),
    /// It could not be saved.
    #[error("It could not be saved: {0}.")]
    NotSaved(#[from] StoreError),
}
