//! How `opencode serve` is started, proven and ended.

mod port;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use kit::{Secret, Setting, Upstream};
use supervisor::{Command, Gate, Probe, Program, Refusal};
use tokio::sync::watch;

use crate::{
    environment::{self, Base, USERNAME, Variables},
    find::{Found, NotFound, Seen, Version, Versions, candidate},
    health::Health,
    settings::OpencodeSettings,
};

pub(crate) use port::conflict;

/// How soon a missing or unusable binary is looked for again.
const BINARY_RECHECK: Duration = Duration::from_secs(30);
/// How soon a pinned port in somebody else's hands is looked at again.
const PORT_RECHECK: Duration = Duration::from_secs(10);

/// One run of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Where it listens and how to log in.
    pub upstream: Upstream,
    /// The binary it was started from.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
    /// The settings it was started with.
    pub(crate) settings: OpencodeSettings,
    /// The binary as it was then; `None` when it was gone an instant later.
    pub(crate) seen: Option<Seen>,
}

/// Told of each secret of a run before the run is begun, so that it is kept out of what is written down.
pub type Hide = Box<dyn Fn(Secret) + Send + Sync>;

/// `opencode serve` as a child.
pub(crate) struct Serve {
    settings: Setting<OpencodeSettings>,
    own: Variables,
    folder: PathBuf,
    versions: Versions,
    health: Health,
    base: tokio::sync::Mutex<Option<Base>>,
    /// The environment is to be read anew: the user may have changed it, or installed something.
    is_stale: AtomicBool,
    shortcoming: Mutex<Option<String>>,
    /// Whether the present run has answered once.
    has_answered: AtomicBool,
    hide: Hide,
    /// Bytes heard on the server's event stream.
    heard: Arc<AtomicU64>,
    /// Why the last server that was tried must not be run, if so.
    unsafe_server: watch::Sender<Option<String>>,
}

impl Serve {
    /// `folder` is a private folder that stays empty of projects: the server's own working folder. `versions` is the
    /// file in which versions are remembered.
    pub(crate) fn new(
        settings: Setting<OpencodeSettings>,
        folder: PathBuf,
        versions: PathBuf,
        own: Variables,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            settings,
            own,
            folder,
            versions: Versions::new(versions),
            health: Health::new()?,
            base: tokio::sync::Mutex::new(None),
            is_stale: AtomicBool::new(false),
            shortcoming: Mutex::new(None),
            has_answered: AtomicBool::new(false),
            hide: Box::new(drop),
            heard: Arc::default(),
            unsafe_server: watch::Sender::new(None),
        })
    }

    /// The same, which tells `hide` its secrets.
    pub(crate) fn hiding(self, hide: Hide) -> Self {
        Self { hide, ..self }
    }

    /// To be counted up with what is heard on the server's event stream: a sign of life.
    pub(crate) fn heard(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.heard)
    }

    /// Why the last server that was tried must not be run, if so: it let strangers in, or has known holes.
    pub(crate) fn unsafe_server(&self) -> watch::Receiver<Option<String>> {
        self.unsafe_server.subscribe()
    }

    /// Takes down what a look at a server found.
    fn judged<T>(&self, found: Result<T, Refusal>) -> Result<T, Refusal> {
        let reason = match &found {
            Ok(_) => None,
            Err(Refusal::Permanent { reason, .. }) => Some(reason.clone()),
            // Says nothing of the server.
            Err(Refusal::Transient(_) | Refusal::Exhausted(_) | Refusal::Throttled { .. }) => return found,
        };
        self.unsafe_server.send_if_modified(|held| {
            let is_new = *held != reason;
            *held = reason;
            is_new
        });
        found
    }

    /// The password, and as it stands in a header.
    fn hide_all(&self, password: &Secret) {
        (self.hide)(password.clone());
        if let Some(pair) = authorization(password).expose().strip_prefix("Basic ") {
            (self.hide)(Secret::new(pair.to_owned()));
        }
    }

    /// The next start asks the login shell anew.
    pub(crate) fn forget_environment(&self) {
        self.is_stale.store(true, Ordering::Relaxed);
    }

    /// Why the server has only the agent's own environment, if it has.
    pub(crate) fn shortcoming(&self) -> Option<String> {
        self.shortcoming
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The server's own working folder.
    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    async fn environment(&self) -> Variables {
        let mut base = self.base.lock().await;
        if self.is_stale.swap(false, Ordering::Relaxed) {
            *base = None;
        }
        if let Some(base) = &*base {
            return base.variables.clone();
        }
        let fresh = environment::capture(self.own.clone()).await;
        *self.shortcoming.lock().unwrap_or_else(PoisonError::into_inner) = fresh.shortcoming.clone();
        let variables = fresh.variables.clone();
        *base = Some(fresh);
        variables
    }

    /// Finds the binary and learns its version.
    pub(crate) async fn find(&self) -> Result<Found, NotFound> {
        let found = self.try_find().await;
        if found.is_err() {
            // It may be on a PATH that only a new shell has.
            self.forget_environment();
        }
        found
    }

    /// The version that was put in the place of the running one, if another binary is there now and can be used.
    pub(crate) async fn replacement(&self, run: &Run) -> Option<Version> {
        let now = Seen::at(&run.path).ok()?;
        if run.seen.as_ref() == Some(&now) {
            return None;
        }
        let variables = self.environment().await;
        let env = asking(&variables, &self.settings.get());
        self.versions.of(&run.path, &env).await.ok()
    }

    async fn try_find(&self) -> Result<Found, NotFound> {
        let settings = self.settings.get();
        let variables = self.environment().await;
        let path = candidate(&settings.path, &with_set(variables.clone(), &settings.env))?;
        // Without a password: this run serves nothing.
        let env = environment::complete(
            &variables,
            &settings.env,
            settings.ask,
            &Secret::new(String::new()),
        );
        let version = self.versions.of(&path, &env).await?;
        Ok(Found { path, version })
    }
}

/// The environment in which a binary is asked its version: without a password, for it serves nothing.
fn asking(variables: &Variables, settings: &OpencodeSettings) -> Vec<(OsString, OsString)> {
    environment::complete(
        variables,
        &settings.env,
        settings.ask,
        &Secret::new(String::new()),
    )
}

/// The environment binaries are looked for in: with the variables of the settings on top.
fn with_set(mut variables: Variables, set: &BTreeMap<String, String>) -> Variables {
    variables.extend(set.iter().map(|(name, value)| (name.into(), value.into())));
    variables
}

impl Program for Serve {
    type Run = Run;

    fn role(&self) -> &'static str {
        "opencode"
    }

    async fn prepare(&self) -> Result<(Command, Run), Refusal> {
        let found = self.find().await;
        let is_old = matches!(found, Err(NotFound::TooOld { .. }));
        let found = found.map_err(|error| Refusal::Permanent {
            reason: format!("{error}."),
            recheck: Some(BINARY_RECHECK),
        });
        let found = if is_old { self.judged(found)? } else { found? };
        let settings = self.settings.get();
        let port = match settings.port {
            // Never leave the choice to opencode: its `--port 0` takes 4096 when that is free.
            0 => supervisor::free_port()
                .map_err(|error| Refusal::Transient(format!("no free port could be had: {error}")))?,
            pinned => {
                port::wait_for(pinned)
                    .await
                    .map_err(|reason| Refusal::Permanent {
                        reason,
                        recheck: Some(PORT_RECHECK),
                    })?;
                pinned
            }
        };
        self.has_answered.store(false, Ordering::Relaxed);
        let password = password();
        self.hide_all(&password);
        let variables = self.environment().await;
        let command = Command {
            program: found.path.clone(),
            args: arguments(port, &settings.args),
            env: environment::complete(&variables, &settings.env, settings.ask, &password),
            folder: self.folder.clone(),
            port: Some(port),
        };
        let run = Run {
            upstream: Upstream {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                authorization: authorization(&password),
            },
            seen: Seen::at(&found.path).ok(),
            path: found.path,
            version: found.version,
            settings,
        };
        Ok((command, run))
    }

    async fn probe(&self, run: &Run) -> Probe {
        let answer = if self.has_answered.load(Ordering::Relaxed) {
            self.health.ask(&run.upstream).await
        } else {
            self.health.ask_starting(&run.upstream).await
        };
        match answer {
            Some(answer) if answer.is_healthy => {
                self.has_answered.store(true, Ordering::Relaxed);
                Probe::Good
            }
            Some(_) | None => Probe::Bad,
        }
    }

    async fn verify(&self, run: &Run, _gate: &Gate) -> Result<(), Refusal> {
        self.judged(self.examine(run).await)
    }

    fn distrusted(&self, refusal: &Refusal) {
        drop(self.judged::<()>(Err(refusal.clone())));
    }

    fn progress(&self, _run: &Run) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    async fn wind_down(&self, run: &Run) {
        self.health.dispose(&run.upstream).await;
    }
}

impl Serve {
    /// Whether it keeps strangers out and has no known holes.
    async fn examine(&self, run: &Run) -> Result<(), Refusal> {
        let refuse = |reason: String| {
            Err(Refusal::Permanent {
                reason,
                recheck: None,
            })
        };
        match self.health.status_without_password(&run.upstream).await {
            Some(401) => {}
            Some(status) => {
                return refuse(format!(
                    "{} answers without a password (status {status}), so it was stopped. Install an opencode that knows \
                     OPENCODE_SERVER_PASSWORD, then start it again.",
                    run.path.display()
                ));
            }
            None => {
                return Err(Refusal::Transient(
                    "opencode stopped answering during its checks".to_owned(),
                ));
            }
        }
        match self.health.ask(&run.upstream).await.map(|health| health.version) {
            Some(version) => match version.parse::<Version>() {
                Ok(version) if version.is_safe() => Ok(()),
                Ok(version) => refuse(format!(
                    "{}.",
                    NotFound::TooOld {
                        path: run.path.clone(),
                        version
                    }
                )),
                Err(_error) => refuse(format!(
                    "{} says its version is {version:?}, so it is not opencode, and it was stopped. Name another with \
                     `nexus settings set opencode.path PATH`.",
                    run.path.display()
                )),
            },
            None => Err(Refusal::Transient(
                "opencode stopped answering during its checks".to_owned(),
            )),
        }
    }
}

/// The arguments of one start. Address and port come last: of an option given twice the last one counts.
fn arguments(port: u16, further: &[String]) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["serve".into()];
    args.extend(further.iter().map(OsString::from));
    args.extend([
        "--hostname".into(),
        "127.0.0.1".into(),
        "--port".into(),
        port.to_string().into(),
    ]);
    args
}

/// 256 bits of chance as text.
fn password() -> Secret {
    Secret::new(format!(
        "{:032x}{:032x}",
        rand::random::<u128>(),
        rand::random::<u128>()
    ))
}

pub(crate) fn authorization(password: &Secret) -> Secret {
    let pair = Secret::new(format!("{USERNAME}:{}", password.expose()));
    Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair.expose())))
}

#[cfg(test)]
mod tests;
