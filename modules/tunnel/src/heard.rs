//! Listens to what cloudflared prints, and passes it on to its log.

use std::sync::Arc;

use supervisor::{Sink, Stream};
use tokio::sync::mpsc;

use crate::words::{Said, said};

/// What was said waits for the module's loop; more is not needed, for it is asked whenever something was said.
const SAID_MAX: usize = 64;

/// See the module.
pub(crate) struct Listening {
    log: Arc<dyn Sink>,
    said: mpsc::Sender<Said>,
}

impl Listening {
    pub(crate) fn over(log: Arc<dyn Sink>) -> (Self, mpsc::Receiver<Said>) {
        let (sender, receiver) = mpsc::channel(SAID_MAX);
        (Self { log, said: sender }, receiver)
    }
}

impl Sink for Listening {
    fn line(&self, stream: Stream, line: &str) {
        if let Some(said) = said(line)
            && let Err(error) = self.said.try_send(said)
        {
            tracing::trace!(%error, "more is said than is listened to");
        }
        self.log.line(stream, line);
    }

    fn dropped(&self, lines: u64, bytes: u64) {
        self.log.dropped(lines, bytes);
    }
}
