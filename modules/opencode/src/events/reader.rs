//! The one connection to the server's event stream.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kit::{CancellationToken, Upstream};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    Hub, Signal,
    sse::{EVENT_BYTES_MAX, Found, Sse},
    stream::{EventStream, StreamError},
    tap,
};
use crate::wire::{Event, Line};

/// The server sends a heartbeat every 10 s; two and a half of them missing means that the stream hangs.
const STALL_MAX: Duration = Duration::from_secs(25);
/// The server greets before it listens: what happened in the 10 to 30 ms after its greeting (measured, idle machine) is
/// never told. The greeting is believed only so much later, and whoever fetches after it misses nothing.
const GREETING_IS_EARLY: Duration = Duration::from_millis(250);
/// How long the server may take to open the stream.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Wait before the first reconnect; doubles up to the last.
const RECONNECT_FIRST: Duration = Duration::from_millis(100);
/// Longest wait before a reconnect.
const RECONNECT_MAX: Duration = Duration::from_secs(5);
/// A stream that lived this long was a good one: the next wait is the first again.
const GOOD_STREAM: Duration = Duration::from_secs(30);

/// Reads the events of whichever server runs. There is to be one of it.
pub struct EventReader {
    hub: Hub,
    upstream: watch::Receiver<Option<Upstream>>,
    /// Bytes heard so far.
    heard: Arc<AtomicU64>,
}

impl EventReader {
    pub(crate) fn new(hub: Hub, upstream: watch::Receiver<Option<Upstream>>, heard: Arc<AtomicU64>) -> Self {
        Self { hub, upstream, heard }
    }

    /// Keeps the stream open until `stop`, or until nobody is left to name a server.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.read() => {}
        }
        self.hub.down("the agent is stopping");
    }
}

impl EventReader {
    async fn read(&self) {
        let hub = &self.hub;
        let mut upstream = self.upstream.clone();
        let mut wait = RECONNECT_FIRST;
        let mut last = None;
        loop {
            let current = upstream.borrow_and_update().clone();
            let Some(current) = current else {
                wait = RECONNECT_FIRST;
                if upstream.changed().await.is_err() {
                    return;
                }
                continue;
            };
            if last.as_ref() != Some(&current) {
                hub.met();
                last = Some(current.clone());
            }
            let begun = Instant::now();
            let ended = tokio::select! {
                // Another server, or none: what comes from this one is of no interest any more.
                changed = upstream.changed() => match changed {
                    Ok(()) => {
                        hub.down("the server was replaced");
                        continue;
                    }
                    Err(_closed) => return,
                },
                ended = self.stream(&current) => ended,
            };
            tracing::debug!(cause = ended.to_string(), "opencode's event stream ended");
            hub.down("its event stream broke and is being opened again");
            if begun.elapsed() >= GOOD_STREAM {
                wait = RECONNECT_FIRST;
            }
            tokio::select! {
                () = sleep(wait) => {}
                changed = upstream.changed() => match changed {
                    Ok(()) => upstream.mark_changed(),
                    Err(_closed) => return,
                },
            }
            wait = (wait * 2).min(RECONNECT_MAX);
        }
    }

    /// Reads one connection to its end.
    async fn stream(&self, upstream: &Upstream) -> Ended {
        match self.try_stream(upstream).await {
            Err(ended) => ended,
            Ok(never) => match never {},
        }
    }

    async fn try_stream(&self, upstream: &Upstream) -> Result<std::convert::Infallible, Ended> {
        let hub = &self.hub;
        let mut stream = timeout(OPEN_TIMEOUT, EventStream::open(upstream))
            .await
            .map_err(|_late| Ended::NotOpened)??;
        sleep(GREETING_IS_EARLY).await;
        let mut sse = Sse::new(EVENT_BYTES_MAX);
        let mut folders = Folders::default();
        let mut found = Vec::new();
        // One timer for all waits, set on when it fires: what comes in time never touches it.
        let mut stall = pin!(sleep(STALL_MAX));
        let mut heard_at = Instant::now();
        loop {
            let chunk = tokio::select! {
                biased;
                chunk = stream.chunk() => chunk.ok_or(Ended::Closed)??,
                () = &mut stall => {
                    if heard_at.elapsed() >= STALL_MAX {
                        return Err(Ended::Stalled);
                    }
                    stall.as_mut().reset(heard_at + STALL_MAX);
                    continue;
                }
            };
            heard_at = Instant::now();
            self.heard.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            sse.push(&chunk, |one| found.push(one));
            pass(hub, &found);
            // Who only hands lines on does so now and does not wait for those who read and draw them. And a burst that
            // fills many chunks must not keep anybody from running.
            tokio::task::yield_now().await;
            for one in found.drain(..) {
                take(hub, &mut folders, one);
            }
        }
    }
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the server closed it")]
    Closed,
    #[error("nothing came for {} s", STALL_MAX.as_secs())]
    Stalled,
    #[error("the server did not open it within {} s", OPEN_TIMEOUT.as_secs())]
    NotOpened,
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// Hands the lines on as they came, unread.
fn pass(hub: &Hub, found: &[Found]) {
    for one in found {
        if let Found::Data(json) = one
            && !tap::is_greeting(json)
        {
            hub.pass(json);
        }
    }
}

fn take(hub: &Hub, folders: &mut Folders, found: Found) {
    let json = match found {
        Found::Data(json) => json,
        Found::TooLarge => {
            tracing::warn!("an event of opencode was too large and was left out");
            hub.tell(Signal::Lagged);
            return;
        }
    };
    let Some(Line { directory, event }) = Line::parse(&json) else {
        return;
    };
    if event == Event::Connected {
        hub.connected();
    } else if event != Event::Heartbeat {
        hub.tell(Signal::Event {
            directory: folders.shared(directory),
            event: Arc::new(event),
        });
    }
}

/// The folder of the last event: mostly that of the next, so that its name is allocated once.
#[derive(Default)]
struct Folders {
    last: Option<Arc<str>>,
}

impl Folders {
    fn shared(&mut self, name: String) -> Arc<str> {
        match &self.last {
            Some(last) if **last == *name => Arc::clone(last),
            Some(_) | None => {
                let shared: Arc<str> = Arc::from(name);
                self.last = Some(Arc::clone(&shared));
                shared
            }
        }
    }
}
