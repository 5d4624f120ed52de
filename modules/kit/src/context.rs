//! What a module is given to work with.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{Dirs, NoticeSender, Overview, Secrets, SettingsFile};

/// Everything the agent shares with its modules. Cheap to clone; a module keeps the parts it uses.
#[derive(Clone)]
pub struct Context {
    /// Where this installation's files are.
    pub dirs: Arc<Dirs>,
    /// The settings file. A module reads its own section with [`SettingsFile::section`].
    pub settings: Arc<SettingsFile>,
    /// Tokens and keys, in the keyring where there is one.
    pub secrets: Arc<dyn Secrets>,
    /// Where to say what the user should hear of.
    pub notices: NoticeSender,
    /// The merged status of all modules, newest value only.
    pub overview: watch::Receiver<Arc<Overview>>,
}
