//! Keeps `opencode serve` running and speaks with it.
//!
//! *Theory of operation.* The server is a child of the agent, run by a [`supervisor`]: found on the login shell's PATH or
//! in the usual places, checked for its version, started with the user's own environment, on loopback, on a free port,
//! with a password made for this one start. It counts as healthy once it has answered with the password and refused
//! without it.
//!
//! Everybody else asks it through [`Api`]. One reader holds the one connection to its event stream and hands on what
//! happens; the server keeps no history of events, so each new connection is told as such and its listeners fetch what
//! they show.
//!
//! A change of the settings restarts the server only if it would run differently, and then waits for sessions at work.
//! What this crate never does: adopt or end a server it did not start, give the password to anyone but the agent's own
//! calls, or take a line of text for health.

pub mod api;
mod busy;
mod child;
pub mod doctor;
mod environment;
pub mod events;
mod external;
pub mod find;
mod health;
mod history;
mod life;
mod outage;
mod planned;
mod settings;
mod shown;
pub mod wire;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use kit::{
    ActError, BoxFuture, CancellationToken, Context, Entry, EventTap, Module, ModuleId, NoticeSender, Reply,
    Secrets, Section, Setting, Status, Upstream, Verb, VerbSpec,
};
use store::Store;
use supervisor::{End, Handle, Phase, Policy, Request, Setup, Sink, StopKind, Supervisor};
use tokio::sync::{mpsc, watch};

pub use api::{Api, ApiError};
pub use busy::BusySession;
pub use child::{Hide, Run};
pub use events::{EventReader, Events, Link, Signal};
pub use history::{Clean, Past};
pub use settings::{Ask, OpencodeSettings, RestartSettings};
pub use shown::sentence;

use busy::Busy;
use child::Serve;
use external::Outside;
use history::History;
use planned::Wish;

/// The module's id.
pub const ID: &str = "opencode";

/// What can be asked of the server; on the command line after `nexus server`.
pub const VERBS: &[VerbSpec] = &[
    VerbSpec {
        name: "start",
        help: "Starts opencode.",
        args: &[],
        button: Some("Start"),
    },
    VerbSpec {
        name: "stop",
        help: "Ends opencode with everything it has started.",
        args: &[],
        button: Some("Stop"),
    },
    VerbSpec {
        name: "restart",
        help: "Ends opencode and starts it again, with your settings and your login shell's variables read anew. Waits for \
               sessions at work, ten minutes at most.",
        args: &[],
        button: Some("Restart"),
    },
    VerbSpec {
        name: RESTART_NOW,
        help: "The same without waiting: sessions at work are cut off, and can be continued.",
        args: &[],
        button: None,
    },
    VerbSpec {
        name: "history",
        help: "Lists when opencode ended unasked or was restarted, why, what it said last and how long it was away.",
        args: &[],
        button: None,
    },
    VerbSpec {
        name: "status",
        help: "Says how opencode is.",
        args: &[],
        button: None,
    },
];

/// Offered while a restart waits, or a server has not answered for long.
pub(crate) const RESTART_NOW: &str = "restart-now";

/// Ends shown at most.
const ENDS_SHOWN_MAX: u32 = 50;

/// What the module is given beside the context.
pub struct Parts {
    /// Takes the server's output.
    pub sink: Arc<dyn Sink>,
    /// Told what must not be written down.
    pub hide: Hide,
    /// Takes secrets out of what is written down.
    pub clean: Clean,
    /// Keeps the history.
    pub store: Store,
}

/// The module: the server, and the way to it.
pub struct Opencode {
    settings: Setting<OpencodeSettings>,
    notices: NoticeSender,
    secrets: Arc<dyn Secrets>,
    history: History,
    ends: tokio::sync::Mutex<mpsc::Receiver<End>>,
    outside: watch::Sender<Option<Outside>>,
    wish: watch::Sender<Option<Wish>>,
    program: Arc<Serve>,
    supervisor: tokio::sync::Mutex<Supervisor<Serve>>,
    handle: Handle<Run>,
    policy: watch::Sender<Policy>,
    upstream: watch::Sender<Option<Upstream>>,
    /// The first server is on its way, and nothing is known of it.
    first_look: watch::Sender<bool>,
    api: Api,
    reader: EventReader,
    status: watch::Sender<Status>,
    busy: Mutex<Busy>,
}

impl Opencode {
    /// Wires; nothing runs before [`Module::run`].
    ///
    /// # Errors
    /// When the process is out of resources, or the database fails.
    pub fn new(cx: &Context, parts: Parts) -> anyhow::Result<Arc<Self>> {
        let settings = cx.settings.section::<OpencodeSettings>();
        let program = Serve::new(
            settings.clone(),
            cx.dirs.cache.join("opencode"),
            cx.dirs.cache.join("opencode-versions.json"),
            environment::own(),
        )
        .context("could not prepare for opencode")?
        .hiding(parts.hide);
        let program = Arc::new(program);
        let policy = watch::Sender::new(settings.get().policy());
        let (ends_in, ends) = Setup::ends();
        let setup = Setup {
            records: cx.dirs.run.clone(),
            policy: policy.subscribe(),
            sink: parts.sink,
            ends: ends_in,
        };
        let (supervisor, handle) = Supervisor::new(Arc::clone(&program), setup);
        let upstream = watch::Sender::new(None);
        let (api, reader) = Api::connect(upstream.subscribe(), program.heard())?;
        let status = shown::status(&shown::View::unknown(&handle));
        let first_look = watch::Sender::new(settings.get().starts_by_itself());
        Ok(Arc::new(Self {
            settings,
            notices: cx.notices.clone(),
            secrets: Arc::clone(&cx.secrets),
            history: History::new(parts.store, parts.clean)?,
            ends: tokio::sync::Mutex::new(ends),
            outside: watch::Sender::new(None),
            wish: watch::Sender::new(None),
            program,
            supervisor: tokio::sync::Mutex::new(supervisor),
            handle,
            policy,
            upstream,
            first_look,
            api,
            reader,
            status: watch::Sender::new(status),
            busy: Mutex::default(),
        }))
    }

    /// Where the server is while it is healthy.
    pub fn upstream(&self) -> watch::Receiver<Option<Upstream>> {
        self.upstream.subscribe()
    }

    /// Why the last server that was tried must not be run, if so: nobody outside may be led to it.
    pub fn unsafe_server(&self) -> watch::Receiver<Option<String>> {
        self.program.unsafe_server()
    }

    /// Whether the program's first server is still to be looked at: until then nobody knows whether it is
    /// [unsafe](Self::unsafe_server).
    pub fn first_look(&self) -> watch::Receiver<bool> {
        self.first_look.subscribe()
    }

    /// The lines of the event stream, for handing on.
    pub fn event_tap(&self) -> EventTap {
        self.api.event_tap()
    }

    /// Typed calls.
    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// Sessions at work, sub-agents left out: what a quit or a restart would cut off.
    pub fn busy_sessions(&self) -> Vec<BusySession> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).list()
    }

    /// Looks for the program as the next start would.
    ///
    /// # Errors
    /// Why there is nothing to start, with what the person can do.
    pub async fn find(&self) -> Result<find::Found, find::NotFound> {
        self.program.find().await
    }

    /// The last lines the server has printed, oldest first.
    pub fn output_tail(&self, lines: usize) -> Vec<String> {
        self.handle.output_tail(lines)
    }

    /// When and why it ended unasked or was restarted, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn history(&self) -> anyhow::Result<Vec<Past>> {
        Ok(self.history.newest(ENDS_SHOWN_MAX).await?)
    }

    /// Has a server that is down or hangs started anew, without waiting until it runs: for somebody who sees only that it
    /// is of no use. One that works, or will in a moment, is left alone.
    ///
    /// # Errors
    /// [`ActError::NeedsUser`] when it is not run here, and when the agent ends.
    pub async fn revive(&self) -> Result<(), ActError> {
        let name = match &*self.handle.phase().borrow() {
            Phase::Healthy { .. } | Phase::Starting { .. } | Phase::Stopping => return Ok(()),
            Phase::Unresponsive { .. } => RESTART_NOW,
            Phase::Stopped | Phase::Backoff { .. } | Phase::Degraded { .. } | Phase::NeedsAction { .. } => {
                "start"
            }
        };
        let verb = Verb {
            is_awaited: false,
            ..Verb::bare(name)
        };
        self.ask(verb).await.map(drop)
    }

    async fn ask(&self, verb: Verb) -> Result<Reply, ActError> {
        if matches!(verb.name.as_str(), "start" | "stop" | "restart" | RESTART_NOW)
            && let Some(address) = self.settings.get().external()
        {
            return Err(ActError::NeedsUser(format!(
                "The server at http://{address} is yours: it is watched and used here, but started and stopped where you \
                 run it. Empty `opencode.external_url` to have one run here."
            )));
        }
        let ended = |_ended| ActError::Failed("opencode cannot be reached: the agent is ending.".to_owned());
        if !verb.is_awaited
            && let Some(request) = request_of(&verb)
        {
            self.program.forget_environment();
            self.wish.send_replace(None);
            self.handle.request(request).await.map_err(ended)?;
            return Ok(Reply::Done);
        }
        match verb.name.as_str() {
            "start" => {
                self.program.forget_environment();
                self.outcome(&self.handle.start().await.map_err(ended)?)
            }
            "restart" if self.handle.phase().borrow().pid().is_some() && !self.busy_sessions().is_empty() => {
                self.wish.send_replace(Some(Wish::Restart));
                let titles = self.busy_sessions().into_iter().map(|session| session.title);
                Ok(Reply::Note(planned::promise(&titles.collect::<Vec<_>>())))
            }
            "restart" if !verb.is_awaited => {
                self.program.forget_environment();
                self.handle.request(Request::Restart).await.map_err(ended)?;
                Ok(Reply::Done)
            }
            "restart" | RESTART_NOW => {
                self.program.forget_environment();
                self.outcome(&self.handle.restart().await.map_err(ended)?)
            }
            "history" => {
                let ends = self.history().await;
                let ends = ends.map_err(|error| ActError::Failed(format!("{error:#}")))?;
                Ok(Reply::Json(ends.iter().map(Past::to_json).collect()))
            }
            "stop" => {
                self.wish.send_replace(None);
                self.handle.stop(StopKind::User).await.map_err(ended)?;
                Ok(Reply::Text("Stopped.".to_owned()))
            }
            "status" => Ok(Reply::Text(self.sentence())),
            _ => Err(ActError::unknown_verb(&verb)),
        }
    }

    /// What came of a start.
    fn outcome(&self, phase: &Phase) -> Result<Reply, ActError> {
        match phase {
            Phase::Healthy { .. } | Phase::Unresponsive { .. } => {
                let run = self.handle.run().borrow().clone();
                Ok(Reply::Text(run.map_or_else(
                    || "Running.".to_owned(),
                    |run| format!("Running: opencode {} on {}.", run.version, run.upstream.address),
                )))
            }
            Phase::NeedsAction { cause, .. } => Err(ActError::NeedsUser(shown::sentence(cause))),
            Phase::Backoff { cause, .. } => Err(ActError::Failed(format!(
                "{} It is tried again by itself.",
                shown::sentence(cause)
            ))),
            Phase::Degraded { cause, .. } => Err(ActError::Failed(shown::sentence(cause))),
            Phase::Stopped | Phase::Stopping | Phase::Starting { .. } => {
                Err(ActError::Failed("opencode was stopped meanwhile.".to_owned()))
            }
        }
    }

    /// The status as one sentence.
    fn sentence(&self) -> String {
        let status = self.status.borrow();
        let facts: Vec<String> = status
            .facts
            .iter()
            .map(|fact| format!("{}: {}", fact.0, fact.1))
            .collect();
        let mut text = format!("{} ({})", status.state.words(), facts.join(", "));
        if let Some(reason) = &status.reason {
            text.push_str(". ");
            text.push_str(reason);
        }
        text
    }
}

/// What a verb asks of the supervisor, for callers who do not wait. A restart that may have to wait for sessions is none.
fn request_of(verb: &Verb) -> Option<Request> {
    match verb.name.as_str() {
        "start" => Some(Request::Start),
        "stop" => Some(Request::Stop(StopKind::User)),
        RESTART_NOW => Some(Request::Restart),
        _ => None,
    }
}

impl Module for Opencode {
    fn id(&self) -> ModuleId {
        ModuleId(OpencodeSettings::ID)
    }

    fn title(&self) -> &'static str {
        "opencode"
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    fn menu(&self, status: &Status) -> Vec<Entry> {
        shown::menu(status)
    }

    fn verbs(&self) -> &'static [VerbSpec] {
        VERBS
    }

    fn call(&self, verb: Verb) -> BoxFuture<'_, Result<Reply, ActError>> {
        Box::pin(self.ask(verb))
    }

    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(life::run(self, stop))
    }
}
