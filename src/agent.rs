//! The resident process, from its folders to its last goodbye.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use kit::{
    Action, AgentFacts, CancellationToken, Context, Dirs, Notice, NoticeKind, NoticeSender, Overview,
    SettingsFile,
};
use notices::Show;
use store::Store;
use tokio::sync::{mpsc, watch};
use tracing_subscriber::layer::SubscriberExt;

use crate::{
    cli::settings,
    control::{Instance, server::Server},
    desk::FrontDesk,
    desktop::{self, Desktop, Driver, Sources, Spot},
    greeting,
    host::Host,
    modules::{self, Built},
    secrets::Vault,
    signals,
};

/// Blocking calls (database, files, password hashing) at once.
const BLOCKING_MAX: usize = 16;
/// What a blocked call may delay the end by.
const LINGER: Duration = Duration::from_millis(200);
/// Choices that wait while one is carried out.
const CHOICES_MAX: usize = 16;

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
    os::share_heaps();
    // One thread serves everything: the agent waits more than it computes, and hashing, files and the database run beside
    // it. A second one serves no more requests a second (measured, two cores), but is woken for each event first, and
    // makes it late; handing work over between threads would cost time even with a single one of them.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(BLOCKING_MAX)
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let wants_tray = !start.is_headless;
    let ended = desktop::beside_the_tray(wants_tray, |spot| runtime.block_on(live(dirs, start, spot)));
    runtime.shutdown_timeout(LINGER);
    drop(instance);
    ended.map(|()| ExitCode::SUCCESS)
}

async fn live(dirs: Dirs, start: Start, spot: Spot) -> anyhow::Result<()> {
    let began = SystemTime::now();
    let dirs = Arc::new(dirs);
    let settings = Arc::new(SettingsFile::open(&dirs.config.join("settings.toml"), began));
    let (capture, layer) =
        logs::begin(&dirs.logs, &settings.section().get()).context("could not begin the log")?;
    let (ears, audit) = gateway::audit::begin();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer).with(ears))
        .context("could not begin the log")?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "the agent starts");
    let lived = live_logged(dirs, settings, (capture.clone(), audit), (start, spot), began).await;
    if let Err(error) = &lived {
        tracing::error!("the agent ends: {error:#}");
    } else {
        tracing::info!("the agent ends");
    }
    capture.close();
    lived
}

async fn live_logged(
    dirs: Arc<Dirs>,
    settings: Arc<SettingsFile>,
    (capture, audit): (logs::Capture, gateway::audit::Waiting),
    (start, spot): (Start, Spot),
    began: SystemTime,
) -> anyhow::Result<()> {
    // The socket first: whoever started this process is waiting for it, and requests queue until they are answered.
    let server = Server::bind(&dirs.run).context("could not open the control socket")?;
    let Opened {
        store,
        damage,
        is_kept,
    } = open_store(&dirs, began)?;
    let heard_all = CancellationToken::new();
    let recording = tokio::spawn(audit.record(store.clone())?.run(heard_all.clone()));
    let (notices, told) = NoticeSender::channel();
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
    // Kept until the end: whoever goes without a word is an objection of its own.
    let unkept = watch::Sender::new((!is_kept).then(|| unkept(&dirs)));
    let mut built = modules::build(&cx, &store, capture, told, unkept.subscribe())?;
    tell_damage(&cx, damage);
    let stop = CancellationToken::new();
    let shows = std::mem::replace(&mut built.shows, mpsc::channel(1).1);
    let (desktop, shown) = show(&cx, &built, store, shows, (start, spot), &stop)?;
    let desk = Arc::new(FrontDesk {
        cx: cx.clone(),
        modules: built.modules.clone(),
        door: built.door.clone(),
        busy: Arc::clone(&built.busy),
        desktop: desktop.clone(),
        stop: stop.clone(),
    });
    let host = Host::new(built.modules, overview, notices);
    let everything = async {
        tokio::join!(
            host.run(stop.clone()),
            server.run(desk, stop.clone()),
            shown,
            greeting::greet(&built.door, desktop, start, cx.overview.clone(), &stop),
        );
    };
    let lived = tokio::select! {
        () = everything => Ok(()),
        told_twice = signals::watch(stop.clone()) => told_twice.context("could not listen for signals"),
    };
    // What was done while everything ended is kept too.
    heard_all.cancel();
    recording.await.context("the audit log was cut short")?;
    lived
}

/// The desktop, if there is one, and its life.
type Shown = (Option<Arc<dyn Desktop>>, kit::BoxFuture<'static, ()>);

/// Wires the desktop, or lets notices go to the log alone.
fn show(
    cx: &Context,
    built: &Built,
    store: Store,
    shows: mpsc::Receiver<Show>,
    (start, spot): (Start, Spot),
    stop: &CancellationToken,
) -> anyhow::Result<Shown> {
    if start.is_headless {
        // Nobody draws bubbles; each notice is in the log and in the list.
        drop(shows);
        return Ok((None, Box::pin(std::future::ready(()))));
    }
    let (choices, chosen) = mpsc::channel::<Action>(CHOICES_MAX);
    let (session, life) = desktop::Session::new(desktop::Needs {
        spot,
        run: cx.dirs.run.clone(),
        window_data: cx.dirs.cache.join("window"),
        entrance: Arc::new(built.door.clone()),
        store,
        notices: cx.notices.clone(),
        choices,
    })?;
    let driver = Driver {
        desktop: Arc::clone(&session) as Arc<dyn Desktop>,
        modules: built.modules.clone(),
        failures: cx.notices.clone(),
        busy: Arc::clone(&built.busy),
        stop: stop.clone(),
        asked_to_quit: Mutex::default(),
    };
    let sources = Sources {
        overview: cx.overview.clone(),
        shows,
        choices: chosen,
    };
    let living = Arc::clone(&session).live(life, stop.clone());
    let shown = Box::pin(async move {
        tokio::join!(driver.run(sources), living);
    });
    Ok((Some(session), shown))
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

/// Why nobody may come in from outside while nothing can be saved.
fn unkept(dirs: &Dirs) -> String {
    format!(
        "Nothing can be saved in {}, so wrong passwords would be forgotten with each start. Make the folder writable for \
         you, then start the program again.",
        dirs.state.display()
    )
}

/// A database that can be used.
struct Opened {
    store: Store,
    /// What was wrong, and what was done about it.
    damage: Option<String>,
    /// Whether what it is given outlives the program.
    is_kept: bool,
}

/// Opens the database, or one in memory where nothing can be written: a program that cannot remember is better than none.
/// SQLite would open the file there, and fail at every change.
fn open_store(dirs: &Dirs, began: SystemTime) -> anyhow::Result<Opened> {
    if !kit::files::can_write_in(&dirs.state) {
        let damage = format!(
            "{} cannot be written to, so nothing is saved: logins, history and notices are forgotten when the program \
             ends. Make the folder writable for you, then start the program again.",
            dirs.state.display()
        );
        tracing::error!("{damage}");
        return Ok(Opened {
            store: Store::in_memory()?,
            damage: Some(damage),
            is_kept: false,
        });
    }
    let (store, quarantined) = Store::open(&dirs.database(), began)?;
    let damage = quarantined.map(|found| {
        format!(
            "The database could not be read. It was kept as {} and a new one was begun: everybody has to log in again.",
            found.kept.display()
        )
    });
    Ok(Opened {
        store,
        damage,
        is_kept: true,
    })
}

/// Says what was found broken at the start and what was done about it.
fn tell_damage(cx: &Context, damage: Option<String>) {
    let mut bodies: Vec<String> = cx.settings.problems().iter().map(settings::explain).collect();
    bodies.extend(damage);
    for (index, body) in bodies.into_iter().enumerate() {
        cx.notices.send(Notice {
            kind: NoticeKind::Agent,
            key: format!("damage-{index}"),
            title: "A file could not be read".to_owned(),
            body,
            page: "/dashboard".to_owned(),
            answers: Vec::new(),
            away: None,
        });
    }
}
