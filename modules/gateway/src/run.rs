//! The gateway's life: a listener on the right port, its status, and the sessions kept tidy.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use kit::{CancellationToken, Fact, Listener, Setting, State, Status};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::task::TaskTracker;

use crate::{
    Admits,
    front::Front,
    host::Hosts,
    keys::{self, Keys},
    listener::{self, BindError},
    session::{Kind, Session},
    settings::GatewaySettings,
};

/// How often a port that is held by another program is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(10);

/// How often last uses are written down. Expired sessions are ended then too, which matters only where the clock was
/// turned or the machine has slept: otherwise each is ended at its own moment.
const TIDY_EVERY: Duration = Duration::from_secs(300);

/// What sockets get to say goodbye.
const SOCKETS_MAX: Duration = Duration::from_secs(2);

pub(crate) struct Run {
    keys: Arc<Keys>,
    front: Arc<Front>,
    settings: Setting<GatewaySettings>,
    sockets: TaskTracker,
    admits: Admits,
    status: watch::Sender<Status>,
}

/// Why a listener ended.
enum End {
    Stopped,
    PortChanged,
}

impl Run {
    pub(crate) fn new(
        keys: Arc<Keys>,
        front: Arc<Front>,
        settings: Setting<GatewaySettings>,
        sockets: TaskTracker,
        admits: Admits,
    ) -> (Self, watch::Receiver<Status>) {
        let (status, watched) = watch::channel(Status::new(State::Starting, SystemTime::now()));
        let run = Self {
            keys,
            front,
            settings,
            sockets,
            admits,
            status,
        };
        (run, watched)
    }

    /// Serves until `stop`.
    pub(crate) async fn run(&self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut settings = self.settings.clone();
        while !stop.is_cancelled() {
            let port = settings.get().port;
            match listener::bind(port, self.last_port()) {
                Ok(socket) => match self.serve(socket, port, &mut settings, &stop).await? {
                    End::Stopped => break,
                    End::PortChanged => {}
                },
                Err(error @ BindError::Taken(_)) => {
                    self.say(State::NeedsAction, Some(error.to_string()));
                    tokio::select! {
                        () = stop.cancelled() => {}
                        _ = settings.changed() => {}
                        () = sleep(RETRY_EVERY) => {}
                    }
                }
                Err(error @ BindError::Failed(_)) => return Err(error.into()),
            }
        }
        self.sockets.close();
        if timeout(SOCKETS_MAX, self.sockets.wait()).await.is_err() {
            tracing::warn!(count = self.sockets.len(), "open pages did not close in time");
        }
        self.sockets.reopen();
        self.say(State::Stopped, None);
        if let Err(error) = self.keys.sessions.tidy().await {
            tracing::warn!(%error, "the last use of sessions could not be saved");
        }
        Ok(())
    }

    async fn serve(
        &self,
        socket: TcpListener,
        chosen: u16,
        settings: &mut Setting<GatewaySettings>,
        stop: &CancellationToken,
    ) -> anyhow::Result<End> {
        let port = socket.local_addr()?.port();
        if chosen == 0 && self.last_port().is_some_and(|last| last != port) {
            // Whoever holds the old one now is sent the owner's cookies by every page that is still open.
            tracing::warn!(
                port,
                "the port of last time is held by another program; all sessions are ended"
            );
            let of_browsers = |session: &Session| session.kind != Kind::Script;
            self.keys.sessions.end(of_browsers).await?;
        }
        if let Err(error) = keys::remember(&self.keys.store, PORT, port.to_string()).await {
            tracing::warn!(%error, "the port could not be remembered");
        }
        let hosts = |settings: GatewaySettings| Arc::new(Hosts::local(port, &settings.extra_ports()));
        let (admitted, watched) = watch::channel(hosts(settings.get()));
        let ending = stop.child_token();
        let front = Arc::clone(&self.front);
        let serving = listener::serve(
            socket,
            Listener::Local,
            watched,
            front,
            Arc::clone(&self.admits),
            ending.clone(),
        );
        tokio::pin!(serving);
        self.keys
            .local_url
            .send_replace(Some(format!("http://127.0.0.1:{port}")));
        tracing::info!(port, "the gateway is serving");
        self.say(State::Running, None);
        let mut sessions = self.keys.sessions.count();
        let mut streams = self.keys.streams.subscribe();
        let mut tidy = interval(TIDY_EVERY);
        tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = loop {
            // Looked up again after every beginning, end and use of a stream; a session that was used since is found
            // unexpired and its new end is looked up.
            let expiry = self.keys.sessions.next_expiry();
            let expired = async {
                match expiry {
                    Some(left) => sleep(left).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut serving => break End::Stopped,
                changed = settings.changed() => {
                    if changed.port != chosen {
                        break End::PortChanged;
                    }
                    admitted.send_replace(hosts(changed));
                }
                Ok(()) = sessions.changed() => self.say(State::Running, None),
                Ok(()) = streams.changed() => self.say(State::Running, None),
                () = expired => self.tidy().await,
                _ = tidy.tick() => self.tidy().await,
            }
        };
        self.keys.local_url.send_replace(None);
        ending.cancel();
        if matches!(end, End::PortChanged) {
            serving.await;
        }
        Ok(end)
    }

    async fn tidy(&self) {
        if let Err(error) = self.keys.sessions.tidy().await {
            tracing::warn!(%error, "sessions could not be tidied; trying again later");
        }
        if let Err(error) = self.keys.passkeys.tidy().await {
            tracing::warn!(%error, "removed passkeys could not be forgotten; trying again later");
        }
    }

    fn last_port(&self) -> Option<u16> {
        keys::fact(&self.keys.store, PORT).ok()??.parse().ok()
    }

    fn say(&self, state: State, reason: Option<String>) {
        let url = self.keys.local_url.borrow().clone();
        let (sessions, streams) = (*self.keys.sessions.count().borrow(), *self.keys.streams.borrow());
        self.status.send_modify(|status| {
            if status.state != state {
                status.state = state;
                status.since = SystemTime::now();
            }
            status.reason = reason;
            status.facts = vec![
                Fact("Sessions", sessions.to_string()),
                Fact("Open pages", streams.to_string()),
            ];
            if let Some(url) = &url {
                status.facts.insert(0, Fact("Address", url.clone()));
            }
            status.details.insert("local_url".to_owned(), json!(url));
            status.details.insert("sessions".to_owned(), json!(sessions));
            status.details.insert("streams".to_owned(), json!(streams));
        });
    }
}

/// Under this name the last port is remembered.
const PORT: &str = "port";
