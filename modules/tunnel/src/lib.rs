//! Makes this machine reachable from outside, through cloudflared, while its owner wants it and everything holds that
//! has to.
//!
//! *Theory of operation.* Switching it on asks the gateway for a port of its own ([`kit::Outside`]); once the gateway has
//! opened it and proven to itself that nobody enters without a login ([`kit::Origin`]), cloudflared is started by the
//! same supervisor as opencode, told to lead there and nowhere else. What it serves, under which names and whether it is
//! connected is asked of it, over its loopback port for metrics; what it prints gives reasons only. The names it has are
//! the only ones the gateway answers to on that port.
//!
//! It is off when in doubt: an objection of any part that has a say, a gateway that does not serve, a tunnel that was
//! made to lead elsewhere end it at once, and it is not started while one of them holds.

mod arguments;
mod child;
mod choosing;
mod download;
mod environment;
pub mod find;
mod heard;
mod ingress;
mod life;
mod line;
mod metrics;
mod objections;
mod page;
mod profiles;
mod settings;
mod shown;
mod told;
mod verbs;
mod words;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use kit::{
    ActError, BoxFuture, CancellationToken, Context, Entry, Feed, LiveRequest, Module, ModuleId,
    NoticeSender, Origin, Outside, Page, Reply, Secrets, Setting, SettingsFile, State, Status, Verb,
    VerbSpec,
};
use supervisor::{End, Grace, Handle, Policy, Request, Setup, Sink, Supervisor};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

pub use child::Hide;
pub use settings::{Mode, TunnelSettings};
pub use verbs::VERBS;

use child::{Cloudflared, Run};
use download::Downloads;
use heard::Listening;
use metrics::Metrics;
pub use objections::Decisions;
use objections::Objections;
pub use profiles::{Profile, Profiles};
use words::Said;

/// The module's id.
pub const ID: &str = "tunnel";

/// How long whoever switches it on waits for what comes of it.
const START_MAX: Duration = Duration::from_secs(60);

/// What its owner wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    On,
    Off,
}

/// What the module is given beside the context.
pub struct Parts {
    /// Takes cloudflared's output.
    pub sink: Arc<dyn Sink>,
    /// Told what must not be written down.
    pub hide: Hide,
    /// Where the gateway's port stands.
    pub origin: watch::Receiver<Origin>,
    /// Each says why this machine may not be reached at this moment, if so: one sentence with what to do.
    pub objections: Vec<watch::Receiver<Option<String>>>,
    /// Whether it is still being found out if there is an objection: nothing is started before.
    pub is_undecided: watch::Receiver<bool>,
    /// What the owner has to have decided, and to stand by.
    pub decisions: Decisions,
    /// Looks whether a public name leads here.
    pub reached: Reached,
}

/// Asks for a public name as somebody outside would; in a few words, why it does not lead here.
pub type Reached = Arc<dyn Fn(String) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The module.
pub struct Tunnel {
    settings: Setting<TunnelSettings>,
    file: Arc<SettingsFile>,
    secrets: Arc<dyn Secrets>,
    /// Held by whoever changes the profiles.
    choosing: tokio::sync::Mutex<()>,
    reached: Reached,
    run_folder: std::path::PathBuf,
    notices: NoticeSender,
    wish: watch::Sender<Wish>,
    outside: watch::Sender<Outside>,
    origin: watch::Receiver<Origin>,
    objections: Objections,
    metrics: Metrics,
    downloads: Arc<Downloads>,
    is_missing: watch::Receiver<bool>,
    said: tokio::sync::Mutex<mpsc::Receiver<Said>>,
    supervisor: tokio::sync::Mutex<Supervisor<Cloudflared>>,
    handle: Handle<Run>,
    status: watch::Sender<Status>,
    /// Nobody keeps a history of it yet; the supervisor never waits for one.
    _ends: mpsc::Receiver<End>,
}

impl Tunnel {
    /// Wires; nothing runs before [`Module::run`].
    ///
    /// # Errors
    /// When the process is out of resources.
    pub fn new(cx: &Context, parts: Parts) -> anyhow::Result<Arc<Self>> {
        let settings = cx.settings.section::<TunnelSettings>();
        let metrics = Metrics::new()?;
        let objections = Objections::of(parts.objections, parts.is_undecided, parts.decisions);
        let is_missing = watch::Sender::new(false);
        let missing = is_missing.subscribe();
        let downloads = Arc::new(Downloads::new(&cx.dirs.cache));
        let program = Arc::new(Cloudflared {
            downloaded: download::program(&cx.dirs.cache),
            is_missing,
            settings: settings.clone(),
            secrets: Arc::clone(&cx.secrets),
            hide: parts.hide,
            folder: cx.dirs.run.join("cloudflared"),
            origin: parts.origin.clone(),
            objections: objections.clone(),
            metrics: metrics.clone(),
        });
        let (sink, said) = Listening::over(parts.sink);
        let (ends_in, ends) = Setup::ends();
        let setup = Setup {
            records: cx.dirs.run.clone(),
            policy: watch::Sender::new(policy()).subscribe(),
            sink: Arc::new(sink),
            ends: ends_in,
        };
        let (supervisor, handle) = Supervisor::new(program, setup);
        Ok(Arc::new(Self {
            settings,
            file: Arc::clone(&cx.settings),
            secrets: Arc::clone(&cx.secrets),
            choosing: tokio::sync::Mutex::default(),
            reached: parts.reached,
            run_folder: cx.dirs.run.clone(),
            notices: cx.notices.clone(),
            wish: watch::Sender::new(Wish::Off),
            outside: watch::Sender::new(Outside::default()),
            origin: parts.origin,
            objections,
            metrics,
            downloads,
            is_missing: missing,
            said: tokio::sync::Mutex::new(said),
            supervisor: tokio::sync::Mutex::new(supervisor),
            handle,
            status: watch::Sender::new(Status::new(State::Off, SystemTime::now())),
            _ends: ends,
        }))
    }

    /// What the gateway is asked for.
    pub fn outside(&self) -> watch::Receiver<Outside> {
        self.outside.subscribe()
    }

    /// The last lines cloudflared has printed, oldest first.
    pub fn output_tail(&self, lines: usize) -> Vec<String> {
        self.handle.output_tail(lines)
    }

    async fn ask(&self, verb: Verb) -> Result<Reply, ActError> {
        match verb.name.as_str() {
            "start" => {
                // Also said by the status, so that it is seen where it was asked for.
                self.switch_on(verb.is_awaited).await
            }
            "restart" => {
                if *self.wish.borrow() == Wish::Off {
                    return Err(ActError::NeedsUser(
                        "Remote access is off. Switch it on with `nexus tunnel start`.".to_owned(),
                    ));
                }
                self.wish.send_replace(Wish::Off);
                self.until_off().await;
                self.switch_on(verb.is_awaited).await
            }
            "stop" => {
                self.wish.send_replace(Wish::Off);
                if verb.is_awaited {
                    self.until_off().await;
                }
                Ok(Reply::Text("Off.".to_owned()))
            }
            "profiles" => self.act_on_profiles(&verb.args).await,
            "download" => self.download(verb.is_awaited).await,
            "status" => Ok(Reply::Text(self.sentence())),
            "url" => match self.url() {
                // As it is, for scripts.
                Some(url) => Ok(Reply::Json(url.into())),
                None => Err(ActError::NeedsUser(format!(
                    "There is no address: {}",
                    self.sentence()
                ))),
            },
            _ => Err(ActError::unknown_verb(&verb)),
        }
    }

    /// Asking for it is the consent. Whoever does not wait sees how far it is, and is told when nothing comes of it.
    async fn download(&self, is_awaited: bool) -> Result<Reply, ActError> {
        tracing::info!(target: "audit", event = "download", version = %download::VERSION, "cloudflared was asked for");
        let getting = self.getting();
        if is_awaited {
            return getting.await;
        }
        let notices = self.notices.clone();
        tokio::spawn(async move {
            if let Err(error) = getting.await {
                notices.send(told::not_downloaded(&error.to_string()));
            }
        });
        Ok(Reply::Done)
    }

    fn getting(&self) -> impl Future<Output = Result<Reply, ActError>> + Send + 'static {
        let (downloads, handle, wish) = (
            Arc::clone(&self.downloads),
            self.handle.clone(),
            self.wish.subscribe(),
        );
        async move {
            let path = downloads.get().await.map_err(|error| {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cloudflared was not downloaded"
                );
                ActError::Failed(kit::text::sentence(&error.to_string()))
            })?;
            // What waited for it goes on.
            let is_wanted = *wish.borrow() == Wish::On;
            if is_wanted && let Err(error) = handle.request(Request::Start).await {
                tracing::debug!(%error, "cloudflared could not be started");
            }
            Ok(Reply::Text(format!(
                "cloudflared {} was downloaded to {} and is what was published.",
                download::VERSION,
                path.display()
            )))
        }
    }

    async fn switch_on(&self, is_awaited: bool) -> Result<Reply, ActError> {
        // What came of an earlier try is no answer to this one.
        self.status
            .send_modify(|status| *status = Status::new(State::Starting, SystemTime::now()));
        self.wish.send_replace(Wish::On);
        if !is_awaited {
            return Ok(Reply::Done);
        }
        let mut status = self.status.subscribe();
        let settled = timeout(
            START_MAX,
            status.wait_for(|status| !matches!(status.state, State::Off | State::Starting | State::Stopping)),
        );
        let state = match settled.await {
            Ok(Ok(status)) => status.state,
            Ok(Err(_)) | Err(_) => self.status.borrow().state,
        };
        match state {
            State::Connected => Ok(Reply::Text(words::risk(&self.sentence(), &self.settings.get()))),
            State::Starting => Ok(Reply::Text(format!(
                "It is not connected yet: {}",
                self.sentence()
            ))),
            State::Blocked | State::NeedsAction => Err(ActError::NeedsUser(self.sentence())),
            State::Stopped
            | State::Healthy
            | State::Running
            | State::Unresponsive
            | State::Backoff
            | State::Degraded
            | State::Stopping
            | State::Off
            | State::Reconnecting => Err(ActError::Failed(self.sentence())),
        }
    }

    async fn until_off(&self) {
        let mut status = self.status.subscribe();
        // The supervisor's own limits end it long before; whoever asked is not kept for ever.
        let off = status.wait_for(|status| matches!(status.state, State::Off | State::Blocked));
        drop(timeout(START_MAX, off).await);
    }

    fn url(&self) -> Option<String> {
        let status = self.status.borrow();
        status.details.get("public_url")?.as_str().map(str::to_owned)
    }

    fn sentence(&self) -> String {
        let status = self.status.borrow();
        let words = status.state.words();
        let url = status.details.get("public_url").and_then(|url| url.as_str());
        match (&status.reason, url) {
            (Some(reason), _) => format!("{words}. {reason}"),
            (None, Some(url)) => format!("{words}: {url}"),
            (None, None) => format!("{words}."),
        }
    }
}

/// cloudflared finishes requests in flight when it is asked to end; nobody waits for that when a door is to be shut.
const SHUT: Grace = Grace {
    wind_down: Duration::ZERO,
    term_again: Duration::from_millis(1_000),
    kill: Duration::from_millis(1_500),
    give_up: Duration::from_secs(3),
};

fn policy() -> Policy {
    Policy {
        // What classic kubelets cap at: Cloudflare's service is shared.
        max_delay: Duration::from_secs(300),
        stop: SHUT,
        quit: SHUT,
        ..Policy::default()
    }
    .shortened_for_tests()
}

impl Module for Tunnel {
    fn id(&self) -> ModuleId {
        ModuleId(ID)
    }

    fn title(&self) -> &'static str {
        "Remote access"
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

    fn needs_proof(&self, verb: &str) -> bool {
        matches!(verb, "start" | "restart" | "download" | "profiles")
    }

    fn pages(&self) -> Vec<Page> {
        vec![Page {
            path: "/tunnel",
            title: "Remote access",
            icon: "remote",
        }]
    }

    fn routes(self: Arc<Self>) -> axum::Router {
        page::routes(self)
    }

    fn live(&self, _request: LiveRequest) -> Option<Box<dyn Feed>> {
        Some(Box::new(page::Now {
            status: self.status.subscribe(),
            sent: None,
        }))
    }

    fn call(&self, verb: Verb) -> BoxFuture<'_, Result<Reply, ActError>> {
        Box::pin(self.ask(verb))
    }

    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(life::run(self, stop))
    }
}
