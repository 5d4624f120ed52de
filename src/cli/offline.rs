//! What commands need while no agent runs: the same files, with the same checks.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use gateway::{Door, Gateway, Parts};
use kit::{AgentFacts, Context, NoticeSender, Overview, SettingsFile};
use store::Store;
use tokio::sync::watch;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{Cx, print};
use crate::{
    control::{Failure, Instance},
    modules,
    secrets::Vault,
};

/// The files, held so that no agent starts in between.
pub(super) struct Offline {
    _lock: Instance,
    pub(super) cx: Context,
    /// What is done on the files is kept in the audit log, like what the agent does.
    audit: Option<gateway::audit::Waiting>,
}

impl Offline {
    /// Takes the files of the installation.
    pub(super) fn take(cx: &Cx) -> Result<Self, Failure> {
        cx.dirs.create().map_err(anyhow::Error::from)?;
        let lock = Instance::claim(&cx.dirs.run).map_err(anyhow::Error::from)?;
        let (ears, audit) = gateway::audit::begin();
        // Set once in a command's life.
        drop(tracing::subscriber::set_global_default(
            tracing_subscriber::registry().with(ears),
        ));
        Ok(Self {
            _lock: lock,
            cx: context(cx),
            audit: Some(audit),
        })
    }

    /// The gateway's door, with nobody listening.
    pub(super) fn door(&self) -> Result<Door, Failure> {
        let store = self.store()?;
        let parts = Parts {
            modules: Vec::new(),
            upstream: watch::channel(None).1,
            event_tap: Arc::new(|| Box::pin(futures_util::stream::empty())),
            header: modules::header(&self.cx),
            outside: watch::channel(kit::Outside::default()).1,
            origin: watch::Sender::new(kit::Origin::Closed),
            fetch_keys: Arc::new(|_| Box::pin(std::future::ready(Err("nobody listens".to_owned())))),
            admits: Arc::new(|_, _| false),
        };
        Ok(Gateway::new(&self.cx, store, parts)?.door())
    }

    fn store(&self) -> Result<Store, Failure> {
        let (store, _) =
            Store::open(&self.cx.dirs.database(), SystemTime::now()).map_err(anyhow::Error::from)?;
        Ok(store)
    }

    fn keep(&mut self) -> Result<(), Failure> {
        let Some(audit) = self.audit.take().filter(gateway::audit::Waiting::has_heard) else {
            return Ok(());
        };
        let recorder = audit.record(self.store()?).map_err(anyhow::Error::from)?;
        super::wait_for(recorder.finish())
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        if let Err(failure) = self.keep() {
            print::remark(&format!(
                "What was done could not be written to the audit log: {failure}"
            ));
        }
    }
}

/// What modules are built from, for a command that starts none of them.
pub(super) fn context(cx: &Cx) -> Context {
    with_settings(cx, SettingsFile::open(&settings_path(cx), SystemTime::now()))
}

/// The same for one that changes nothing: not even a broken settings file is moved away.
pub(super) fn context_to_look(cx: &Cx) -> Context {
    with_settings(cx, SettingsFile::look(&settings_path(cx)))
}

fn settings_path(cx: &Cx) -> PathBuf {
    cx.dirs.config.join("settings.toml")
}

fn with_settings(cx: &Cx, settings: SettingsFile) -> Context {
    let settings = Arc::new(settings);
    modules::sections(&settings);
    let nobody = Overview {
        agent: AgentFacts {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            started_at: SystemTime::now(),
            is_headless: true,
            home: cx.dirs.state.display().to_string(),
        },
        modules: Vec::new(),
    };
    Context {
        dirs: Arc::new(cx.dirs.clone()),
        secrets: Arc::new(Vault::new(&cx.dirs.state, settings.section())),
        settings,
        notices: NoticeSender::channel().0,
        overview: watch::channel(Arc::new(nobody)).1,
    }
}
