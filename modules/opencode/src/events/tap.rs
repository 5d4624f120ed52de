//! The lines of the stream for handing on.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use kit::EventTap;
use tokio::sync::{mpsc, watch};

use super::Link;

/// Lines a tap may be behind before it ends.
pub(super) const LINES_MAX: usize = 1024;
/// The same in bytes: one event may hold a whole file, and a thousand of those would be the machine's memory.
pub(super) const BYTES_MAX: usize = 8 * 1024 * 1024;

/// The greeting every stream of the server begins with.
const CONNECTED: &[u8] = b"data: {\"payload\":{\"type\":\"server.connected\",\"properties\":{}}}\n\n";
/// The server's greeting has an id as well; any other line that names it is longer.
const GREETING_BYTES_MAX: usize = 160;

/// Whether a line of the server is its greeting. Found without reading the line as JSON, because most are not.
pub(super) fn is_greeting(json: &str) -> bool {
    json.len() <= GREETING_BYTES_MAX && json.contains(r#""type":"server.connected""#)
}

/// An event as it stands in a stream.
pub(super) fn event(json: &str) -> Bytes {
    // In one piece of just the right size: run for every event.
    let text = if memchr::memchr(b'\n', json.as_bytes()).is_some() {
        ["data: ", &json.replace('\n', "\ndata: "), "\n\n"].concat()
    } else {
        ["data: ", json, "\n\n"].concat()
    };
    Bytes::from(text)
}

/// Everybody who reads the lines.
#[derive(Clone, Default)]
pub(super) struct Taps(Arc<Mutex<Vec<Tap>>>);

struct Tap {
    lines: mpsc::Sender<Bytes>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Taps {
    /// Hands a line to everybody; whoever is too slow to take it gets what waits for it already, and no more.
    pub(super) fn pass(&self, json: &str) {
        let mut taps = self.lock();
        if taps.is_empty() {
            return;
        }
        let line = event(json);
        taps.retain(|tap| tap.take(&line));
    }

    /// The server's stream has ended: so do these.
    pub(super) fn end(&self) {
        self.lock().clear();
    }

    fn open(&self) -> (mpsc::Receiver<Bytes>, Arc<AtomicUsize>) {
        let (lines, reader) = mpsc::channel(LINES_MAX);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let tap = Tap {
            lines,
            waiting_bytes: Arc::clone(&waiting_bytes),
        };
        let mut taps = self.lock();
        taps.retain(|tap| !tap.lines.is_closed());
        taps.push(tap);
        (reader, waiting_bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Tap>> {
        // Nothing panics while the lock is held; if it ever does, the list is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap {
    /// Whether there was room. A single line always finds room in an empty queue: the reader bounds its length.
    fn take(&self, line: &Bytes) -> bool {
        let waiting = self.waiting_bytes.fetch_add(line.len(), Ordering::Relaxed);
        let has_room = waiting == 0 || waiting + line.len() <= BYTES_MAX;
        has_room && self.lines.try_send(line.clone()).is_ok()
    }
}

/// A tap behaves like a connection of one's own: it begins with the server's greeting, and ends when the server's
/// stream ends or when its reader is too slow, so that whoever reads it connects again and fetches anew.
pub(super) fn tap(link: watch::Sender<Link>, taps: Taps) -> EventTap {
    Arc::new(move || {
        let (lines, waiting_bytes) = taps.open();
        if !matches!(*link.borrow(), Link::Up { .. }) {
            return stream::empty().boxed();
        }
        let greeting = stream::once(async { Bytes::from_static(CONNECTED) });
        let rest = stream::unfold((lines, waiting_bytes), |(mut lines, waiting_bytes)| async move {
            let line = lines.recv().await?;
            waiting_bytes.fetch_sub(line.len(), Ordering::Relaxed);
            Some((line, (lines, waiting_bytes)))
        });
        greeting.chain(rest).boxed()
    })
}
