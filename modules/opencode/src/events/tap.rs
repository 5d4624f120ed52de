//! The lines of the stream for handing on.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use kit::EventTap;
use tokio::sync::{broadcast, watch};

use super::Link;

/// The greeting every stream of the server begins with.
const CONNECTED: &str = r#"{"payload":{"type":"server.connected","properties":{}}}"#;
/// The server's greeting has an id as well; any other line that names it is longer.
const GREETING_BYTES_MAX: usize = 160;

/// Whether a line of the server is its greeting. Found without reading the line as JSON, because most are not.
pub(super) fn is_greeting(json: &str) -> bool {
    json.len() <= GREETING_BYTES_MAX && json.contains(r#""type":"server.connected""#)
}

/// A tap behaves like a connection of one's own: it begins with the server's greeting, and ends when the server's
/// stream ends (`None` among the lines) or when its reader is too slow, so that whoever reads it connects again and
/// fetches anew.
pub(super) fn tap(link: watch::Sender<Link>, lines: broadcast::Sender<Option<Arc<str>>>) -> EventTap {
    Arc::new(move || {
        let lines = lines.subscribe();
        if !matches!(*link.borrow(), Link::Up { .. }) {
            return stream::empty().boxed();
        }
        let greeting = stream::once(async { CONNECTED.to_owned() });
        let rest = stream::unfold(lines, |mut lines| async move {
            let line = lines.recv().await.ok()??;
            Some((line.as_ref().to_owned(), lines))
        });
        greeting.chain(rest).boxed()
    })
}
