//! The port that only cloudflared is given: open while it is wanted and may be, and proven shut to strangers first.
//!
//! What comes in here is remote whatever it says of itself. The port opens only with a password set, answers to no name
//! until the guard has been tried on it from outside, and closes with its last precondition.

mod rules;
mod trial;

use std::{io, sync::Arc, time::Duration};

use futures_util::future::OptionFuture;
use kit::{CancellationToken, Listener, Origin, Outside, Status};
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    Admits,
    credential::Stored,
    front::Front,
    host::Hosts,
    keys::{self, Keys},
    listener::{self, BindError},
    session::Session,
    token,
};
use rules::{Rules, local_fault};

/// Under this name the last port is remembered: a tunnel's owner has told Cloudflare of it.
const PORT: &str = "tunnel_port";

/// How long the port is kept for whoever was led to it and is told to go.
const HELD_MAX: Duration = Duration::from_secs(5);

/// Until a port held by another program is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Tunnelled {
    pub(crate) keys: Arc<Keys>,
    pub(crate) front: Arc<Front>,
    pub(crate) admits: Admits,
    pub(crate) wanted: watch::Receiver<Outside>,
    pub(crate) origin: watch::Sender<Origin>,
    /// How the port for this machine is.
    pub(crate) local: watch::Receiver<Status>,
}

impl Tunnelled {
    /// Serves whenever it is wanted, until `stop`.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        // However this ends, nothing is served and it is said.
        let _closed = Closed(self);
        let mut wanted = self.wanted.clone();
        let mut was_wanted = false;
        let mut refused_by = None;
        while !stop.is_cancelled() {
            let wish = wanted.borrow_and_update().clone();
            if wish.is_wanted && !was_wanted {
                // Also an answer that is the same as last time is an answer.
                self.say(Origin::Opening);
            }
            was_wanted = wish.is_wanted;
            let is_refused = matches!(*self.origin.borrow(), Origin::Refused(_));
            match self.fault() {
                None if wish.is_wanted => {
                    refused_by = None;
                    if let Err(reason) = self.serve(&wish, &mut wanted, &stop).await {
                        self.refuse(reason, &mut wanted, &stop).await;
                    }
                    // What comes next is an answer of its own.
                    was_wanted = false;
                    continue;
                }
                Some(reason) if wish.is_wanted || is_refused => self.say(Origin::Refused(reason)),
                Some(_) | None => self.say(Origin::Closed),
            }
            let is_refused = matches!(*self.origin.borrow(), Origin::Refused(_));
            refused_by = is_refused.then(|| refused_by.take().unwrap_or_else(|| self.rules()));
            tokio::select! {
                () = stop.cancelled() => return,
                changed = wanted.changed() => if changed.is_err() { return },
                // A reason that has gone is not shown for longer than it is true.
                Some(()) = OptionFuture::from(refused_by.as_mut().map(Rules::may_differ)) => {}
            }
        }
    }

    /// For waiting until [`fault`](Self::fault) may say something else.
    fn rules(&self) -> Rules {
        Rules {
            password: self.keys.credential.watched(),
            access: self.front.access.settings(),
            local: self.local.clone(),
            is_local_lost: local_fault(&self.local).is_some(),
        }
    }

    /// From opening the port to closing it, or why it cannot be opened.
    async fn serve(
        &self,
        wish: &Outside,
        wanted: &mut watch::Receiver<Outside>,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        self.say(Origin::Opening);
        let former = self.last_port();
        let socket = listener::bind(wish.port, former).map_err(|error| match error {
            BindError::Taken(port) => {
                format!("Port {port} is held by another program: stop it, or choose another `tunnel.port`.")
            }
            BindError::Failed(error) => {
                format!("No port could be opened on 127.0.0.1 for the tunnel: {error}.")
            }
        })?;
        let Ok(port) = socket.local_addr().map(|address| address.port()) else {
            return Ok(());
        };
        self.end_sessions_of(former, port)
            .await
            .map_err(|error| format!("The sessions of the former port could not be ended: {error}."))?;
        // Only now: whoever's sessions could not be ended would be let in by them after the next start.
        if let Err(error) = keys::remember(&self.keys.store, PORT, port.to_string()).await {
            tracing::warn!(%error, "the tunnel's port could not be remembered");
        }
        // The port stays ours for a moment longer than anybody is served there.
        let (socket, held) =
            twice(socket).map_err(|error| format!("The port for the tunnel could not be kept: {error}."))?;
        let name = format!("{}.invalid", token::short_id());
        let (admitted, hosts) = watch::channel(Arc::new(Hosts::trial(name.clone())));
        let ending = CancellationToken::new();
        let _ending = ending.clone().drop_guard();
        let serving = listener::serve(
            socket,
            Listener::Tunnel,
            hosts,
            Arc::clone(&self.front),
            Arc::clone(&self.admits),
            ending.clone(),
        );
        tokio::pin!(serving);
        let tried = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = &mut serving => Err("its listener ended".to_owned()),
            tried = trial::try_guard(port, &name) => tried,
        };
        admitted.send_replace(Arc::new(Hosts::public(&[])));
        if let Err(fault) = tried {
            tracing::error!(
                fault,
                "the guard failed its trial; nothing is served from outside"
            );
            ending.cancel();
            serving.await;
            return Err(format!(
                "The gateway's own test of its guard failed ({fault}), so nothing is reachable from outside. Restart the \
                 program; if it stays so, report it with the agent's log."
            ));
        }
        tracing::info!(port, "the port for the tunnel is open");
        let is_still_wanted = |now: &Outside| now.is_wanted && now.port == wish.port;
        // The trial took its time.
        let now = wanted.borrow_and_update().clone();
        let mut stays = is_still_wanted(&now);
        if stays {
            self.answer_to(&admitted, &now);
            self.say(Origin::Open(port));
        }
        let mut rules = self.rules();
        let mut fault = None;
        while stays {
            tokio::select! {
                () = stop.cancelled() => break,
                () = &mut serving => break,
                changed = wanted.changed() => {
                    let now = wanted.borrow_and_update().clone();
                    stays = changed.is_ok() && is_still_wanted(&now);
                    if stays {
                        self.answer_to(&admitted, &now);
                    }
                }
                () = rules.may_differ() => {
                    fault = self.fault();
                    stays = fault.is_none();
                }
            }
        }
        // Nobody is answered from here on, whatever is still connected.
        self.answer_to(&admitted, &Outside::default());
        // What is wanted still is led to, until whoever wants it has ended what leads here.
        let is_lost = fault.is_some() || stop.is_cancelled();
        self.say(fault.map_or(Origin::Closed, Origin::Refused));
        ending.cancel();
        serving.await;
        let is_led_to = |outside: &Outside| outside.is_held || is_lost && outside.is_wanted;
        let is_left = wanted.wait_for(|outside| !is_led_to(outside));
        if timeout(HELD_MAX, is_left).await.is_err() {
            tracing::warn!(
                port,
                "the port for the tunnel is given up while something may lead to it"
            );
        }
        drop(held);
        tracing::info!(port, "the port for the tunnel is closed");
        Ok(())
    }

    fn answer_to(&self, admitted: &watch::Sender<Arc<Hosts>>, outside: &Outside) {
        self.keys.passkeys.set_lasting(outside.is_lasting);
        admitted.send_replace(Arc::new(Hosts::public(&outside.hosts)));
        let url = outside.hosts.first().map(|host| format!("https://{host}"));
        self.keys.public_url.send_replace(url);
    }

    /// Says why there is no port, and waits a while or until something else is wanted.
    async fn refuse(&self, reason: String, wanted: &mut watch::Receiver<Outside>, stop: &CancellationToken) {
        self.say(Origin::Unopened(reason));
        tokio::select! {
            () = stop.cancelled() => {}
            _ = wanted.changed() => {}
            () = sleep(RETRY_EVERY) => {}
        }
    }

    /// A port that is held by another program now may have been led to for a while: whoever holds it was sent the
    /// cookies of everybody who came from outside.
    async fn end_sessions_of(&self, former: Option<u16>, port: u16) -> Result<(), store::StoreError> {
        if former.is_none_or(|former| former == port) {
            return Ok(());
        }
        let is_outside = |session: &Session| session.listener == Listener::Tunnel;
        let count = self.keys.sessions.end(is_outside).await?;
        tracing::warn!(
            port,
            count,
            "the tunnel has another port; sessions from outside are ended"
        );
        Ok(())
    }

    fn last_port(&self) -> Option<u16> {
        keys::fact(&self.keys.store, PORT).ok()??.parse().ok()
    }

    /// Why nobody may come in from outside, if so.
    fn fault(&self) -> Option<String> {
        if let Some(reason) = local_fault(&self.local).or_else(|| self.front.access.fault()) {
            return Some(reason);
        }
        // Read here rather than on a thread of its own: waking one costs more than a read this small.
        match self.keys.credential.read() {
            Stored::Set(_) => None,
            Stored::Absent => Some(
                "No password is set. Set one at this machine first, with `nexus password set` or on the page of the devices."
                    .to_owned(),
            ),
            Stored::Broken => Some(
                "The file that holds the password's hash cannot be read, so nobody could be let in. Set a new one with \
                 `nexus password set`."
                    .to_owned(),
            ),
        }
    }

    fn say(&self, origin: Origin) {
        self.origin.send_if_modified(|held| {
            let is_new = *held != origin;
            *held = origin;
            is_new
        });
    }
}

/// The same listening port twice: it is let go with the second.
fn twice(socket: TcpListener) -> io::Result<(TcpListener, std::net::TcpListener)> {
    let socket = socket.into_std()?;
    let held = socket.try_clone()?;
    Ok((TcpListener::from_std(socket)?, held))
}

/// Says that nothing is served, also when the run ends by a panic.
struct Closed<'t>(&'t Tunnelled);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.keys.public_url.send_replace(None);
        self.0.say(Origin::Closed);
    }
}
