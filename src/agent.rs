//! The resident process, from its folders to its last goodbye.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use kit::{AgentFacts, CancellationToken, Context, Dirs, NoticeSender, Overview, SettingsFile};
use tokio::sync::watch;

use crate::{
    control::{Instance, server::Server},
    desk::FrontDesk,
    host::Host,
    modules,
    secrets::Vault,
    signals,
};

/// Two workers serve everything: the agent waits more than it computes.
const WORKERS: usize = 2;
/// Blocking calls (database, files, password hashing) at once.
const BLOCKING_MAX: usize = 16;
/// What a blocked call (a locked keyring) may delay the end by.
const LINGER: Duration = Duration::from_millis(200);

/// How the agent was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Without tray and windows.
    pub is_headless: bool,
    /// Without a window at the start.
    pub is_background: bool,
    /// A link to the chat is always printed.
    pub is_demo: bool,
}

/// Becomes the agent. Returns when it has ended and nothing it started is left.
///
/// # Errors
/// What kept it from starting.
pub fn run(dirs: Dirs, start: Start, instance: Instance) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_MAX)
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let ended = runtime.block_on(live(dirs, start));
    runtime.shutdown_timeout(LINGER);
    drop(instance);
    ended
}

async fn live(dirs: Dirs, start: Start) -> anyhow::Result<ExitCode> {
    let began = SystemTime::now();
    let dirs = Arc::new(dirs);
    let settings = Arc::new(SettingsFile::open(&dirs.config.join("settings.toml"), began));
    let (notices, shown) = NoticeSender::channel();
    let overview = watch::Sender::new(Arc::new(Overview {
        agent: facts(&dirs, start, began),
        modules: Vec::new(),
    }));
    let cx = Context {
        dirs: Arc::clone(&dirs),
        secrets: Arc::new(Vault::new(&dirs.state, settings.section())),
        settings,
        notices: notices.clone(),
        overview: overview.subscribe(),
    };
    let built = modules::build(&cx)?;
    let stop = CancellationToken::new();
    let server = Server::bind(&dirs.run).context("could not open the control socket")?;
    let desk = Arc::new(FrontDesk {
        cx,
        modules: built.modules.clone(),
        stop: stop.clone(),
    });
    let host = Host::new(built.modules, overview, notices);
    let everything = async {
        tokio::join!(host.run(stop.clone()), server.run(desk, stop.clone()));
    };
    tokio::select! {
        () = everything => {}
        told_twice = signals::watch(stop.clone()) => told_twice.context("could not listen for signals")?,
    }
    drop(shown);
    Ok(ExitCode::SUCCESS)
}

fn facts(dirs: &Dirs, start: Start, began: SystemTime) -> AgentFacts {
    AgentFacts {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        started_at: began,
        is_headless: start.is_headless,
        home: dirs.state.display().to_string(),
    }
}
