//! How cloudflared is started, asked and ended.

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use kit::{Origin, Secret, Secrets, SecretsError, Setting};
use supervisor::{Command, Exit, Gate, Probe, Program, Refusal, free_port};
use tokio::sync::watch;

use crate::{
    arguments::{self, Start},
    environment,
    find::{self, NotFound, Version},
    metrics::Metrics,
    objections::Objections,
    settings::{Mode, TunnelSettings},
    words,
};

/// How soon a missing program is looked for again, and a locked keyring asked again.
const BINARY_RECHECK: std::time::Duration = std::time::Duration::from_secs(30);
const KEYRING_RECHECK: std::time::Duration = std::time::Duration::from_secs(5);

/// One run of cloudflared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where it answers questions about itself.
    pub(crate) metrics_port: u16,
    /// Where it was told the gateway listens.
    pub(crate) origin_port: u16,
    pub(crate) version: Option<Version>,
    /// The settings it was started with.
    pub(crate) settings: TunnelSettings,
}

/// Told of each secret of a run before the run is begun, so that it is kept out of what is written down.
pub type Hide = Box<dyn Fn(Secret) + Send + Sync>;

/// cloudflared as a child.
pub(crate) struct Cloudflared {
    pub(crate) settings: Setting<TunnelSettings>,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) hide: Hide,
    /// Where one of ours would be.
    pub(crate) downloaded: PathBuf,
    /// Whether none was found when one was to be started.
    pub(crate) is_missing: watch::Sender<bool>,
    /// Private folder for its configuration.
    pub(crate) folder: PathBuf,
    pub(crate) origin: watch::Receiver<Origin>,
    /// Why it may not run at this moment, if so. Asked last of all before a start.
    pub(crate) objections: Objections,
    pub(crate) metrics: Metrics,
}

impl Cloudflared {
    async fn token(&self, name: &str) -> Result<Secret, Refusal> {
        let permanent = |reason: String, recheck| Refusal::Permanent { reason, recheck };
        match self.secrets.get(name).await {
            Ok(Some(token)) => Ok(token),
            Ok(None) => Err(permanent(
                format!(
                    "There is no tunnel token. Copy it from Cloudflare's page of the tunnel and store it with `nexus secret \
                     set {name} --stdin`."
                ),
                None,
            )),
            Err(error @ SecretsError::Locked) => Err(permanent(
                format!("The tunnel's token cannot be read: {error}."),
                Some(KEYRING_RECHECK),
            )),
            Err(error) => Err(permanent(
                format!("The tunnel's token cannot be read: {error}."),
                Some(BINARY_RECHECK),
            )),
        }
    }

    /// The port to give it, while everything that must hold does.
    fn origin_port(&self) -> Result<u16, Refusal> {
        let refuse = |reason: String| Refusal::Permanent {
            reason,
            recheck: None,
        };
        if let Some(objection) = self.objections.first() {
            return Err(refuse(objection));
        }
        match &*self.origin.borrow() {
            Origin::Open(port) => Ok(*port),
            Origin::Refused(reason) | Origin::Unopened(reason) => Err(refuse(reason.clone())),
            Origin::Opening | Origin::Closed => Err(refuse(
                "The gateway has not opened its port for the tunnel.".to_owned(),
            )),
        }
    }

    fn write_config(&self, settings: &TunnelSettings, origin_port: u16) -> Result<PathBuf, Refusal> {
        let file = self.folder.join("cloudflared.yml");
        let config = arguments::config(
            settings.mode,
            origin_port,
            &settings.public_host,
            &settings.tunnel_id,
            settings.credentials.as_ref(),
        );
        // YAML reads JSON.
        kit::files::create_private_folder(&self.folder)
            .and_then(|()| kit::files::write(&file, config.to_string().as_bytes()))
            .map_err(|error| {
                Refusal::Exhausted(format!("{} could not be written: {error}", file.display()))
            })?;
        Ok(file)
    }
}

/// The agent's own environment, as far as cloudflared may have it.
pub(crate) fn own() -> Vec<(OsString, OsString)> {
    environment::complete(std::env::vars_os(), None)
}

impl Program for Cloudflared {
    type Run = Run;

    fn role(&self) -> &'static str {
        "cloudflared"
    }

    async fn prepare(&self) -> Result<(Command, Run), Refusal> {
        let settings = self.settings.get().chosen();
        let found = find::find(&settings.path, &own(), &self.downloaded).await;
        let is_missing = matches!(found, Err(NotFound::Nowhere(_)));
        self.is_missing
            .send_if_modified(|held| std::mem::replace(held, is_missing) != is_missing);
        let found = found.map_err(|error| Refusal::Permanent {
            reason: format!("{error}."),
            recheck: Some(BINARY_RECHECK),
        })?;
        if settings.mode == Mode::Local && (settings.public_host.is_empty() || settings.tunnel_id.is_empty())
        {
            return Err(Refusal::Permanent {
                reason: format!(
                    "A local tunnel needs `{table}.public_host` and `{table}.tunnel_id`; set both with `nexus settings set`.",
                    table = settings.names().table
                ),
                recheck: None,
            });
        }
        let token = match settings.mode {
            Mode::Token => Some(self.token(&settings.names().token).await?),
            Mode::Quick | Mode::Local | Mode::Manual => None,
        };
        if let Some(token) = &token {
            (self.hide)(token.clone());
        }
        let metrics_port =
            free_port().map_err(|error| Refusal::Exhausted(format!("no free port could be had: {error}")))?;
        // Last, so that nothing of it can have changed by the time of the start.
        let origin_port = self.origin_port()?;
        let config = self.write_config(&settings, origin_port)?;
        let command = Command {
            program: found.path,
            args: arguments::arguments(&Start {
                mode: settings.mode,
                config: &config,
                origin_port,
                metrics_port,
                extra: &settings.extra_args,
            }),
            env: environment::complete(std::env::vars_os(), token.as_ref()),
            folder: self.folder.clone(),
            port: Some(metrics_port),
        };
        let run = Run {
            metrics_port,
            origin_port,
            version: found.version,
            settings,
        };
        Ok((command, run))
    }

    /// Whether it answers at all: it dials again by itself, and a quick tunnel would come back under another name.
    async fn probe(&self, run: &Run) -> Probe {
        match self.metrics.ready(run.metrics_port).await {
            Some(_) => Probe::Good,
            None => Probe::Bad,
        }
    }

    async fn verify(&self, run: &Run, _gate: &Gate) -> Result<(), Refusal> {
        let Some(served) = self.metrics.served(run.metrics_port).await else {
            return Err(Refusal::Transient(
                "cloudflared does not say what it serves".to_owned(),
            ));
        };
        match served.foreign(run.origin_port) {
            None => Ok(()),
            Some(target) => Err(Refusal::Permanent {
                reason: foreign(target),
                recheck: None,
            }),
        }
    }

    fn judge(&self, exit: Exit, last_output: &[String]) -> Option<Refusal> {
        words::judge(exit, last_output, &self.settings.get().names()).map(Refusal::shortened_for_tests)
    }

    /// It is asked by a signal.
    async fn wind_down(&self, _run: &Run) {}
}

/// What is said of a tunnel that serves something else.
pub(crate) fn foreign(target: &str) -> String {
    format!(
        "The tunnel was made to lead to {target}, which is not the guarded port, so it was stopped. Remove that from the \
         tunnel's public hostnames at Cloudflare; if it was not you, replace the tunnel's token."
    )
}
