//! One connection to the edge, for the whole life: dialled, held, lost, dialled again.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    life::{Connected, Counters, Life},
    log::Level,
    session::{self, Attempt, Session},
};

/// How long a dial takes to fail where no UDP passes.
const DIAL_WAIT: Duration = Duration::from_secs(5);
/// Between two connections of the same process.
const APART: Duration = Duration::from_secs(1);
/// Within which a lost connection comes back.
const RECONNECT: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(8));
/// How long a refusal that ends the process takes.
const FINAL_TAKES: Duration = Duration::from_secs(1);

/// Keeps one connection until the life stops. Returns then, once it has been given up in order.
pub(crate) async fn keep(life: Arc<Life>, index: usize) {
    if index == 0 {
        tokio::select! {
            () = tokio::time::sleep(life.script.registered_after()) => {}
            () = life.stop.cancelled() => return,
        }
    } else if !follow(&life, index).await {
        return;
    }
    let mut link = Link {
        life,
        index,
        protocol: "quic",
        failures: 0,
        began: Instant::now(),
    };
    link.protocol = link.life.protocol.first;
    link.keep().await;
}

/// Waits until the first connection stands, and for this one's turn. Whether to go on.
async fn follow(life: &Life, index: usize) -> bool {
    let mut links = life.links.subscribe();
    let apart = life.script.scaled(APART) * u32::try_from(index).unwrap_or(u32::MAX);
    let turn = async {
        // The sender lives as long as the process.
        let _ = links.wait_for(|links| links[0].is_some()).await.map(drop);
        tokio::time::sleep(apart).await;
    };
    tokio::select! {
        () = turn => true,
        () = life.stop.cancelled() => false,
    }
}

struct Link {
    life: Arc<Life>,
    index: usize,
    protocol: &'static str,
    failures: u32,
    began: Instant,
}

enum Held {
    Lost,
    Stopped,
}

impl Link {
    async fn keep(&mut self) {
        while !self.life.stop.is_cancelled() {
            match self.attempt().await {
                Attempt::Registered(session) => {
                    self.failures = 0;
                    match self.hold(session).await {
                        Held::Stopped => return,
                        Held::Lost => self.lost().await,
                    }
                }
                Attempt::Refused(reason) => self.refused(&reason).await,
                Attempt::Final(reason) => self.final_refusal(&reason).await,
                Attempt::NoAnswer => self.final_refusal("context deadline exceeded").await,
                Attempt::NoDial => self.no_dial().await,
            }
        }
    }

    async fn attempt(&self) -> Attempt {
        if self.protocol == "quic" && self.failures == 0 {
            let fields = self.fields(&json!({}));
            let curves = "Tunnel connection curve preferences: [X25519MLKEM768 CurveID(65074) CurveP256]";
            self.life.log.line(Level::Info, curves, &fields);
        }
        if self.protocol == "quic" && self.life.script.is_udp_blocked {
            tokio::time::sleep(self.life.script.scaled(DIAL_WAIT)).await;
            return Attempt::NoDial;
        }
        session::register(&self.life, self.index, self.protocol).await
    }

    async fn hold(&self, mut session: Session) -> Held {
        let life = &self.life;
        let cut = life.new_cut(self.index);
        Counters::count(&life.counters.registered);
        let connected = Connected {
            connection: session.connection.clone(),
            location: session.location.clone(),
            protocol: self.protocol,
        };
        let fields = self.fields(&json!({
            "connection": connected.connection,
            "location": connected.location,
            "protocol": connected.protocol,
        }));
        life.links
            .send_modify(|links| links[self.index] = Some(connected));
        life.log
            .line(Level::Info, "Registered tunnel connection", &fields);
        if !life.was_ever_connected.swap(true, Ordering::Relaxed)
            && let Some(path) = &life.pidfile
        {
            // The real program goes on without it too.
            let _ = std::fs::write(path, std::process::id().to_string());
        }
        let held = tokio::select! {
            () = session.closed(life) => Held::Lost,
            () = cut.cancelled() => Held::Lost,
            () = life.stop.cancelled() => Held::Stopped,
        };
        if matches!(held, Held::Stopped) {
            life.log.line(
                Level::Info,
                "Unregistered tunnel connection",
                &self.fields(&json!({})),
            );
            if life.script.stops_slowly {
                return std::future::pending().await;
            }
            tokio::time::sleep(life.script.stop_takes()).await;
            session.unregister(life).await;
        }
        life.links.send_modify(|links| links[self.index] = None);
        held
    }

    async fn lost(&mut self) {
        let log = &self.life.log;
        let is_alone = self.life.ready() == 0;
        let level = if is_alone { Level::Error } else { Level::Warn };
        let only = json!({"connIndex": self.index});
        if self.protocol == "http2" {
            let closed = "connection with edge closed";
            log.line(Level::Info, "Lost connection with the edge", &only);
            log.line(
                level,
                "Serve tunnel error",
                &self.fields(&json!({"error": closed})),
            );
            self.retrying(1);
            log.line(
                Level::Error,
                "Connection terminated",
                &json!({"error": closed, "connIndex": self.index}),
            );
        } else {
            let accept = "failed to accept QUIC stream: timeout: no recent network activity";
            let served = "accept stream listener encountered a failure while serving";
            log.line(
                Level::Error,
                "failed to accept incoming stream requests",
                &self.fields(&json!({"error": accept})),
            );
            log.line(
                Level::Error,
                "failed to run the datagram handler",
                &self.fields(&json!({"error": "context canceled"})),
            );
            log.line(
                level,
                "failed to serve tunnel connection",
                &self.fields(&json!({"error": served})),
            );
            log.line(
                level,
                "Serve tunnel error",
                &self.fields(&json!({"error": served})),
            );
            self.retrying(1);
        }
        let (least, most) = RECONNECT;
        let wait = self.life.script.drop_for.unwrap_or_else(|| {
            let wait = least + (most - least).mul_f64(rand::random());
            self.life.script.scaled(wait)
        });
        tokio::time::sleep(wait).await;
    }

    async fn refused(&mut self, reason: &str) {
        Counters::count(&self.life.counters.refused);
        if self.protocol == "http2" {
            let fields = self.fields(&json!({"error": reason}));
            let words = "Register tunnel error from server side";
            self.life.log.line(Level::Error, words, &fields);
        } else {
            let control = "control stream encountered a failure while serving";
            for (words, error) in [
                ("failed to run the datagram handler", "context canceled"),
                ("failed to serve tunnel connection", control),
                ("Serve tunnel error", control),
            ] {
                self.life
                    .log
                    .line(Level::Error, words, &self.fields(&json!({"error": error})));
            }
        }
        self.back_off().await;
    }

    /// Over HTTP/2 the first connection's refusal ends the process; with QUIC the reason is lost.
    async fn final_refusal(&mut self, reason: &str) {
        if self.protocol == "quic" || self.life.was_ever_connected.load(Ordering::Relaxed) {
            return self.refused(reason).await;
        }
        tokio::time::sleep(self.life.script.scaled(FINAL_TAKES)).await;
        let log = &self.life.log;
        log.line(
            Level::Error,
            "initial tunnel connection failed",
            &json!({"error": reason, "connIndex": self.index}),
        );
        log.line(Level::Error, "Initiating shutdown", &json!({"error": reason}));
        crate::log::bare(reason);
        // Somebody else may have ended the process a moment before.
        let _ = self.life.ends.send(1).await;
        std::future::pending().await
    }

    async fn no_dial(&mut self) {
        let (words, error) = if self.protocol == "quic" {
            (
                "Failed to dial a quic connection",
                "failed to dial to edge with quic: timeout: no recent network activity",
            )
        } else {
            (
                "Unable to establish connection with Cloudflare edge",
                "DialContext error: connection refused",
            )
        };
        self.life
            .log
            .line(Level::Error, words, &self.fields(&json!({"error": error})));
        self.back_off().await;
        if self.protocol == "quic" && self.falls_back() {
            self.life.log.line(
                Level::Warn,
                "If this log occurs persistently, and cloudflared is unable to connect to Cloudflare Network with `quic` \
                 protocol, then most likely your machine/network is getting its egress UDP to port 7844 (or others) \
                 blocked or dropped. Make sure to allow egress connectivity as per \
                 https://developers.cloudflare.com/cloudflare-one/connections/connect-apps/configuration/ports-and-ips/",
                &self.fields(&json!({})),
            );
            self.life.log.line(
                Level::Info,
                "Switching to fallback protocol http2",
                &self.fields(&json!({})),
            );
            self.protocol = "http2";
        }
    }

    fn falls_back(&self) -> bool {
        self.until_fallback().is_some_and(|left| left.is_zero())
    }

    /// How long QUIC is still tried; `None` for ever.
    fn until_fallback(&self) -> Option<Duration> {
        if !self.life.protocol.may_fall_back || self.protocol != "quic" {
            return None;
        }
        let retries = self.life.retries;
        // As measured, with the defaults and with either flag at 1.
        let seconds = match (retries.addresses, retries.exponent_max) {
            (1, _) => 12,
            (_, 1) => 51,
            _ => 162,
        };
        let after = self.life.script.scaled(Duration::from_secs(seconds));
        Some(after.saturating_sub(self.began.elapsed()))
    }

    async fn back_off(&mut self) {
        self.failures += 1;
        let exponent = self.failures.min(self.life.retries.exponent_max.max(1) + 1);
        let seconds = 1 << exponent;
        self.retrying(seconds);
        let wait = Duration::from_secs(seconds).mul_f64(rand::random());
        let wait = self.life.script.scaled(wait);
        tokio::time::sleep(self.until_fallback().map_or(wait, |left| wait.min(left))).await;
    }

    fn retrying(&self, seconds: u64) {
        let words = if seconds < 60 {
            format!("Retrying connection in up to {seconds}s")
        } else {
            format!("Retrying connection in up to {}m{}s", seconds / 60, seconds % 60)
        };
        self.life.log.line(Level::Info, &words, &self.fields(&json!({})));
    }

    fn fields(&self, more: &Value) -> Value {
        let mut fields = json!({"connIndex": self.index, "event": 0, "ip": self.life.edge_ip()});
        if let (Some(fields), Some(more)) = (fields.as_object_mut(), more.as_object()) {
            fields.extend(more.clone());
        }
        fields
    }
}
