//! The lines of the stream for handing on.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use kit::EventTap;
use tokio::sync::{broadcast, watch};

use super::Link;

/// The greeting every stream of the server begins with.
const CONNECTED: &str = r#"{"payload":{"type":"server.connected","properties":{}}}"#;

/// A tap behaves like a connection of one's own: it begins with the server's greeting, and ends when the server's
/// stream ends or when its reader is too slow, so that whoever reads it connects again and fetches anew.
pub(super) fn tap(link: watch::Sender<Link>, lines: broadcast::Sender<Arc<str>>) -> EventTap {
    Arc::new(move || {
        let lines = lines.subscribe();
        let mut link = link.subscribe();
        let is_up = matches!(*link.borrow_and_update(), Link::Up { .. });
        if !is_up {
            return stream::empty().boxed();
        }
        let greeting = stream::once(async { CONNECTED.to_owned() });
        let rest = stream::unfold((lines, link), |(mut lines, mut link)| async move {
            let line = tokio::select! {
                biased;
                line = lines.recv() => line.ok()?,
                _changed = link.changed() => return None,
            };
            Some((line.as_ref().to_owned(), (lines, link)))
        });
        greeting.chain(rest).boxed()
    })
}
