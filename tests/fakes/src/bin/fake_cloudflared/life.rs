//! One run of a tunnel: what its tasks share.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    ingress::Ingress,
    log::{Level, Log},
    script::Script,
};

/// Connections of a named tunnel.
pub(crate) const LINKS: usize = 4;

pub(crate) struct Life {
    pub(crate) log: Arc<Log>,
    pub(crate) script: Script,
    /// UUID, one per process.
    pub(crate) connector: String,
    /// UUID.
    pub(crate) tunnel: String,
    pub(crate) secret: String,
    /// Of a quick tunnel; empty for a named one.
    pub(crate) hostname: String,
    pub(crate) protocol: Protocol,
    pub(crate) retries: Retries,
    /// `None`: an edge is only pretended.
    pub(crate) edge: Option<SocketAddr>,
    /// Where the edge delivers requests.
    pub(crate) data: SocketAddr,
    pub(crate) pidfile: Option<PathBuf>,
    /// The first signal was heard.
    pub(crate) stop: CancellationToken,
    /// Connections as they are, by index.
    pub(crate) links: watch::Sender<[Option<Connected>; LINKS]>,
    /// Requests in flight.
    pub(crate) in_flight: watch::Sender<usize>,
    pub(crate) counters: Counters,
    /// Whoever sends here ends the process with this code.
    pub(crate) ends: mpsc::Sender<u8>,
    pub(crate) was_ever_connected: AtomicBool,
    ingress: Mutex<Ingress>,
    cuts: Mutex<[CancellationToken; LINKS]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connected {
    /// UUID.
    pub(crate) connection: String,
    pub(crate) location: String,
    pub(crate) protocol: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Protocol {
    /// `"quic"` or `"http2"`.
    pub(crate) first: &'static str,
    pub(crate) may_fall_back: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retries {
    /// `--retries`
    pub(crate) exponent_max: u32,
    /// `--max-edge-addr-retries`
    pub(crate) addresses: u32,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) registered: AtomicU64,
    pub(crate) refused: AtomicU64,
    by_code: Mutex<BTreeMap<u16, u64>>,
}

impl Counters {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, code: u16) {
        *lock(&self.by_code).entry(code).or_default() += 1;
    }

    pub(crate) fn by_code(&self) -> BTreeMap<u16, u64> {
        lock(&self.by_code).clone()
    }
}

/// Which tunnel it is.
pub(crate) struct Known {
    pub(crate) tunnel: String,
    pub(crate) secret: String,
    /// Empty for a named one.
    pub(crate) hostname: String,
    pub(crate) protocol: Protocol,
    pub(crate) ingress: Ingress,
}

/// What a [`Life`] starts from.
pub(crate) struct Birth {
    pub(crate) known: Known,
    pub(crate) log: Arc<Log>,
    pub(crate) script: Script,
    pub(crate) retries: Retries,
    pub(crate) edge: Option<SocketAddr>,
    pub(crate) data: SocketAddr,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) stop: CancellationToken,
    pub(crate) ends: mpsc::Sender<u8>,
}

impl Life {
    pub(crate) fn new(birth: Birth) -> Self {
        Self {
            log: birth.log,
            script: birth.script,
            connector: fakes::ids::uuid(),
            tunnel: birth.known.tunnel,
            secret: birth.known.secret,
            hostname: birth.known.hostname,
            protocol: birth.known.protocol,
            retries: birth.retries,
            edge: birth.edge,
            data: birth.data,
            pidfile: birth.pidfile,
            stop: birth.stop,
            links: watch::Sender::new([const { None }; LINKS]),
            in_flight: watch::Sender::new(0),
            counters: Counters::default(),
            ends: birth.ends,
            was_ever_connected: AtomicBool::new(false),
            ingress: Mutex::new(birth.known.ingress),
            cuts: Mutex::new(std::array::from_fn(|_| CancellationToken::new())),
        }
    }

    pub(crate) fn is_quick(&self) -> bool {
        !self.hostname.is_empty()
    }

    pub(crate) fn ingress(&self) -> Ingress {
        lock(&self.ingress).clone()
    }

    /// Takes new rules, unless they are older than those there are.
    pub(crate) fn push(&self, config: &Value, version: i64) {
        let rules = config["ingress"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut ingress = lock(&self.ingress);
        if version <= ingress.version {
            return;
        }
        match Ingress::parse(rules, version) {
            Ok(new) => *ingress = new,
            Err(error) => {
                let fields = json!({"error": error, "version": version});
                return self
                    .log
                    .line(Level::Error, "Failed to update configuration", &fields);
            }
        }
        drop(ingress);
        let fields = json!({"config": config.to_string(), "version": version});
        self.log
            .line(Level::Info, "Updated to new configuration", &fields);
    }

    /// Connections that stand; none once a signal was heard.
    pub(crate) fn ready(&self) -> usize {
        if self.stop.is_cancelled() {
            return 0;
        }
        self.links.borrow().iter().flatten().count()
    }

    /// What breaks the connection of this index from now on.
    pub(crate) fn new_cut(&self, index: usize) -> CancellationToken {
        let cut = CancellationToken::new();
        lock(&self.cuts)[index] = cut.clone();
        cut
    }

    /// Breaks the first connection, or all.
    pub(crate) fn cut(&self, is_all: bool) {
        let count = if is_all { LINKS } else { 1 };
        for cut in lock(&self.cuts).iter().take(count) {
            cut.cancel();
        }
    }

    /// The address connections are said to go to.
    pub(crate) fn edge_ip(&self) -> String {
        self.edge
            .map_or_else(|| "198.41.192.7".to_owned(), |edge| edge.ip().to_string())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
