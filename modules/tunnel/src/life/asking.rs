//! What cloudflared is asked, and what follows from its answers.

use std::time::{Duration, SystemTime};

use supervisor::{Request, test_factor};
use tokio::time::Instant;

use super::Life;
use crate::{child::foreign, settings::Mode};

/// While there is no connection, the question whether there is one is asked again after this.
const READY_EVERY: Duration = Duration::from_secs(1);
/// Without a connection for so long: a named tunnel is started anew, a quick one only offered to be.
const LONG_LOST: Duration = Duration::from_secs(600);

/// What was asked of cloudflared beside the loop.
pub(super) enum Learned {
    /// Connections, as far as it answered.
    Connections(Option<u32>),
    /// Its public names.
    Hosts(Vec<String>),
    /// What it leads to that it must not.
    Foreign(String),
    /// Whether its public name was seen to lead here.
    Reached {
        host: String,
        /// In a few words, why not.
        outcome: Result<(), String>,
    },
    /// It does not say what it leads to.
    Mute,
    /// Nothing new.
    Nothing,
}

impl Life<'_> {
    pub(super) fn ask_connections(&mut self) {
        self.ask_at = None;
        let Some(run) = self.run.borrow().clone() else {
            return;
        };
        let metrics = self.module.metrics.clone();
        self.asking.spawn(async move {
            let ready = metrics.ready(run.metrics_port).await;
            Learned::Connections(ready.map(|ready| ready.connections))
        });
    }

    pub(super) fn ask_config(&mut self) {
        let Some(run) = self.run.borrow().clone() else {
            return;
        };
        let metrics = self.module.metrics.clone();
        // The name of a quick tunnel lasts as long as the process.
        let has_name = self.hosts.is_some();
        self.asking.spawn(async move {
            if run.settings.mode == Mode::Quick {
                let host = if has_name {
                    None
                } else {
                    metrics.quick_host(run.metrics_port).await
                };
                let Some(served) = metrics.served(run.metrics_port).await else {
                    return Learned::Mute;
                };
                if let Some(target) = served.foreign(run.origin_port) {
                    return Learned::Foreign(target.to_owned());
                }
                return host.map_or(Learned::Nothing, |host| Learned::Hosts(vec![host]));
            }
            match metrics.served(run.metrics_port).await {
                Some(served) => match served.foreign(run.origin_port) {
                    Some(target) => Learned::Foreign(target.to_owned()),
                    None => Learned::Hosts(served.hosts(run.origin_port)),
                },
                None => Learned::Mute,
            }
        });
    }

    pub(super) async fn on_learned(&mut self, learned: Learned) {
        if self.run.borrow().is_none() {
            return;
        }
        if matches!(learned, Learned::Mute) {
            self.mute = self.mute.saturating_add(1);
        }
        match learned {
            Learned::Connections(count) => self.on_connections(count).await,
            Learned::Hosts(hosts) => {
                self.hosts = Some(hosts);
                self.mute = 0;
            }
            Learned::Foreign(target) => self.block(foreign(&target)).await,
            Learned::Reached { host, outcome } => self.tries.end(&host, outcome, SystemTime::now()),
            Learned::Nothing if self.mute > 0 => self.mute = 0,
            Learned::Mute | Learned::Nothing => {}
        }
        if self.is_wanted() && !self.is_held() {
            self.ask_for_port();
        }
    }

    async fn on_connections(&mut self, count: Option<u32>) {
        self.connections = count;
        if count.is_some_and(|count| count > 0) {
            self.was_connected = true;
            self.trouble = None;
            self.lost_since = None;
            self.ask_at = None;
            return;
        }
        let lost_since = *self.lost_since.get_or_insert_with(Instant::now);
        self.ask_at = Some(Instant::now() + READY_EVERY);
        if lost_since.elapsed() >= long_lost() && self.used.mode != Mode::Quick {
            tracing::warn!("no connection to Cloudflare for long; cloudflared is started anew");
            self.lost_since = None;
            self.request(Request::Restart).await;
        }
    }
}

/// From when on a lost connection is called long lost.
pub(super) fn long_lost() -> Duration {
    LONG_LOST.mul_f64(test_factor())
}
