//! The module's run: opens the guarded port, has cloudflared running while everything that must hold does, and ends
//! both when it does not.

mod asking;
mod closing;
mod marker;
mod opening;
mod publishing;
mod reaching;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use kit::{CancellationToken, Origin, Outside, Setting};
use supervisor::{Phase, Request, StopKind, test_factor};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use asking::Learned;
use marker::Marker;
pub(crate) use reaching::Reach;
use reaching::Tries;

use crate::{
    Tunnel, Wish,
    child::Run,
    objections::Objections,
    settings::TunnelSettings,
    told::Told,
    words::{Said, Trouble},
};

/// What a token's tunnel leads to is read so often, in case the line that tells a change was missed.
const CONFIG_EVERY: Duration = Duration::from_secs(15);
/// So often in a row it may not say what it leads to before nobody is answered.
const MUTE_MAX: u8 = 2;

/// Lives until `stop`; ends cloudflared before it returns.
pub(crate) async fn run(module: Arc<Tunnel>, stop: CancellationToken) -> anyhow::Result<()> {
    let rest = CancellationToken::new();
    // A run that fails leaves nothing behind that works on.
    let _ending = rest.clone().drop_guard();
    let mut tasks = JoinSet::new();
    let served = Arc::clone(&module);
    let serving = stop.clone();
    let supervising = tasks
        .spawn(async move { served.supervisor.lock().await.run(serving).await })
        .id();
    let followed = Arc::clone(&module);
    let following = rest.clone();
    tasks.spawn(async move { Life::new(&followed).follow(following).await });
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next_with_id().await {
        match ended {
            Ok((id, ())) if id == supervising => rest.cancel(),
            Ok(_) if stop.is_cancelled() => {}
            Ok(_) => {
                // Nobody watches what must hold any more.
                tasks.abort_all();
                result = Err(anyhow::anyhow!("the watch over remote access ended"));
            }
            Err(error) => {
                rest.cancel();
                result = Err(anyhow::Error::new(error)).context("a part of remote access failed");
                tasks.abort_all();
            }
        }
    }
    module.outside.send_replace(Outside::default());
    result
}

struct Life<'m> {
    module: &'m Tunnel,
    phase: watch::Receiver<Phase>,
    run: watch::Receiver<Option<Run>>,
    wish: watch::Receiver<Wish>,
    origin: watch::Receiver<Origin>,
    /// The gateway has answered since it was last asked.
    has_answer: bool,
    objections: Objections,
    setting: Setting<TunnelSettings>,
    asking: JoinSet<Learned>,
    told: Told,
    /// The settings in force since it was switched on.
    used: TunnelSettings,
    blocked: Option<String>,
    /// The reason goes when whoever gave it takes it back; others last until it is switched on again.
    may_pass: bool,
    connections: Option<u32>,
    /// How often in a row it was asked what it leads to, and did not say.
    mute: u8,
    /// `None` until cloudflared has said.
    hosts: Option<Vec<String>>,
    was_connected: bool,
    trouble: Option<Trouble>,
    /// Since when there is no connection although cloudflared runs.
    lost_since: Option<Instant>,
    off_at: Option<(Instant, SystemTime)>,
    /// When the question for a connection is due again.
    ask_at: Option<Instant>,
    since: SystemTime,
    /// Looks at the public name from outside.
    tries: Tries,
    marker: Marker,
}

const OFF_AS_SET: &str = "Remote access went off by itself, as set.";

fn audit_off(reason: &str) {
    tracing::info!(target: "audit", event = "remote_off", reason, "remote access is off");
}

impl<'m> Life<'m> {
    fn new(module: &'m Arc<Tunnel>) -> Self {
        let setting = module.settings.clone();
        Self {
            module,
            phase: module.handle.phase(),
            run: module.handle.run(),
            wish: module.wish.subscribe(),
            origin: module.origin.clone(),
            has_answer: false,
            objections: module.objections.clone(),
            used: setting.get().chosen(),
            setting,
            asking: JoinSet::new(),
            told: Told::default(),
            blocked: None,
            may_pass: false,
            connections: None,
            mute: 0,
            hosts: None,
            was_connected: false,
            trouble: None,
            lost_since: None,
            off_at: None,
            ask_at: None,
            since: SystemTime::now(),
            tries: Tries::default(),
            marker: Marker::in_folder(&module.run_folder),
        }
    }

    async fn follow(&mut self, stop: CancellationToken) {
        let is_autostarted = self.setting.get().autostart;
        if self.marker.was_left() && !is_autostarted {
            self.module.notices.send(crate::told::ended_with_program());
        }
        self.marker.note(false);
        if is_autostarted {
            self.module.wish.send_replace(Wish::On);
        }
        let module = self.module;
        let mut said = module.said.lock().await;
        let (mut progress, mut missing) = (module.downloads.progress(), module.is_missing.clone());
        let mut looks = interval(CONFIG_EVERY.mul_f64(test_factor()));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.on_wish().await;
        loop {
            self.publish();
            let (off_at, ask_at) = (self.off_at.map(|(at, _)| at), self.ask_at);
            let is_connected = self.is_wanted() && self.connections.is_some_and(|count| count > 0);
            let host = self.allowed_hosts().into_iter().next();
            self.tries.follow(host.as_deref(), is_connected);
            let reach_at = self.tries.due();
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.objections.changed() => self.on_rules().await,
                changed = self.origin.changed() => if changed.is_ok() {
                    self.has_answer = true;
                    self.on_rules().await;
                } else { break },
                changed = self.wish.changed() => if changed.is_ok() { self.on_wish().await } else { break },
                changed = self.phase.changed() => if changed.is_ok() { self.on_phase().await } else { break },
                changed = self.run.changed() => if changed.is_ok() { self.on_run() } else { break },
                settings = self.setting.changed() => self.on_settings(settings.chosen()).await,
                Some(said) = said.recv() => self.on_said(said),
                Some(learned) = self.asking.join_next() => {
                    // A question that failed is no answer.
                    self.on_learned(learned.unwrap_or(Learned::Mute)).await;
                }
                // Shown by whoever publishes next.
                Ok(()) = progress.changed() => {}
                Ok(()) = missing.changed() => {}
                () = until(off_at) => self.switch_off(OFF_AS_SET).await,
                () = until(ask_at) => self.ask_connections(),
                () = until(reach_at) => self.try_reach(),
                _ = looks.tick(), if self.off_at.is_some() || self.run.borrow().is_some() => {
                    // The clock on the wall went on while the machine slept.
                    if self.off_at.is_some_and(|(_, at)| at <= SystemTime::now()) {
                        self.switch_off(OFF_AS_SET).await;
                    } else {
                        self.ask_config();
                    }
                }
            }
        }
        self.marker.note(false);
        self.asking.shutdown().await;
        self.module.outside.send_replace(Outside::default());
        self.phase.mark_unchanged();
        self.publish();
    }

    fn is_wanted(&self) -> bool {
        *self.module.wish.borrow() == Wish::On && self.blocked.is_none()
    }

    /// Somebody switched it on or off.
    async fn on_wish(&mut self) {
        let wish = *self.wish.borrow_and_update();
        match wish {
            Wish::Off => {
                if self.off_at.is_some() || self.module.outside.borrow().is_wanted {
                    audit_off("it was switched off");
                }
                self.blocked = None;
                self.close(StopKind::User).await;
            }
            Wish::On => {
                self.used = self.setting.get().chosen();
                self.blocked = self.objections.first();
                self.may_pass = self.blocked.is_some();
                if self.blocked.is_some() {
                    self.module.wish.send_replace(Wish::Off);
                    self.wish.mark_unchanged();
                    return;
                }
                tracing::info!(target: "audit", event = "remote_on", mode = ?self.used.mode, "remote access was switched on");
                self.off_at = auto_off(&self.used);
                self.marker.note(true);
                // What led to the port before goes first.
                if !self.is_held() {
                    self.has_answer = self.module.outside.borrow().is_wanted;
                    self.ask_for_port();
                    self.on_rules().await;
                }
            }
        }
    }

    /// One of the things that must hold changed.
    async fn on_rules(&mut self) {
        self.origin.mark_unchanged();
        let (objection, origin) = (self.objections.first(), self.origin());
        if !self.is_wanted() {
            // What was in the way has gone, so it is no longer the reason.
            if self.may_pass && objection.is_none() && !matches!(origin, Origin::Refused(_)) {
                self.blocked = None;
            }
            return;
        }
        match (objection, origin) {
            (Some(reason), _) | (None, Origin::Refused(reason)) => {
                self.block(reason).await;
                self.may_pass = true;
            }
            (None, Origin::Unopened(reason)) => self.block(reason).await,
            (None, Origin::Open(port)) => self.have_running(port).await,
            // Whoever gets the port next must find nobody leading to it.
            (None, Origin::Closed | Origin::Opening) => self.end(StopKind::User).await,
        }
    }

    async fn request(&self, request: Request) {
        if let Err(error) = self.module.handle.request(request).await {
            tracing::debug!(%error, "cloudflared could not be told");
        }
    }

    fn forget_run(&mut self) {
        self.connections = None;
        self.hosts = None;
        self.mute = 0;
        self.was_connected = false;
        self.trouble = None;
        self.lost_since = None;
        self.ask_at = None;
    }

    /// A cloudflared answers, or none does any more.
    fn on_run(&mut self) {
        let has_run = self.run.borrow_and_update().is_some();
        self.forget_run();
        if self.is_wanted() && !self.is_held() {
            self.ask_for_port();
        }
        if has_run {
            self.lost_since = Some(Instant::now());
            self.ask_config();
            self.ask_connections();
        }
    }

    async fn on_settings(&mut self, settings: TunnelSettings) {
        let is_other = settings.starts_differently(&self.used);
        if settings.auto_off_h != self.used.auto_off_h && self.off_at.is_some() | (settings.auto_off_h > 0) {
            self.off_at = self.is_wanted().then(|| auto_off(&settings)).flatten();
        }
        self.used = settings;
        if is_other && self.is_wanted() {
            self.release_port();
            self.end(StopKind::User).await;
            // Otherwise the next one is asked for when cloudflared is gone.
            if !self.is_held() {
                self.ask_for_port();
                self.on_rules().await;
            }
        }
    }

    fn on_said(&mut self, said: Said) {
        match said {
            Said::Registered | Said::Lost => self.ask_connections(),
            Said::NewConfig => self.ask_config(),
            Said::Trouble(trouble) => {
                // A reason that lasts is not replaced by a vaguer one.
                if !self.trouble.is_some_and(Trouble::is_lasting) {
                    self.trouble = Some(trouble);
                }
                self.ask_connections();
            }
        }
    }
}

fn auto_off(settings: &TunnelSettings) -> Option<(Instant, SystemTime)> {
    let hours = Duration::from_secs(u64::from(settings.auto_off_h) * 3600);
    let wait = hours.mul_f64(test_factor());
    (settings.auto_off_h > 0).then(|| (Instant::now() + wait, SystemTime::now() + wait))
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
