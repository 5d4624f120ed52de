//! The lines of the stream for handing on.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use kit::EventTap;
use tokio::sync::{broadcast, watch};

use super::Link;

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
    let text = if json.contains('\n') {
        format!("data: {}\n\n", json.replace('\n', "\ndata: "))
    } else {
        format!("data: {json}\n\n")
    };
    Bytes::from(text)
}

/// A tap behaves like a connection of one's own: it begins with the server's greeting, and ends when the server's
/// stream ends (`None` among the lines) or when its reader is too slow, so that whoever reads it connects again and
/// fetches anew.
pub(super) fn tap(link: watch::Sender<Link>, lines: broadcast::Sender<Option<Bytes>>) -> EventTap {
    Arc::new(move || {
        let lines = lines.subscribe();
        if !matches!(*link.borrow(), Link::Up { .. }) {
            return stream::empty().boxed();
        }
        let greeting = stream::once(async { Bytes::from_static(CONNECTED) });
        let rest = stream::unfold(lines, |mut lines| async move {
            let line = lines.recv().await.ok()??;
            Some((line, lines))
        });
        greeting.chain(rest).boxed()
    })
}
