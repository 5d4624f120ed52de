//! Ends of the server, on their way into its history.

use std::sync::Arc;

use supervisor::End;

use super::{Learned, Life};

impl Life<'_> {
    pub(super) fn on_end(&mut self, end: End) {
        let module = Arc::clone(&self.me);
        self.asking.spawn(async move {
            match module.history.add(end).await {
                Ok(open) => Learned::Ended(Some(open)),
                Err(error) => {
                    tracing::warn!(%error, "an end of opencode is missing in its history");
                    Learned::Ended(None)
                }
            }
        });
    }

    /// The server is back: the end that is still open gets its length. It may be written down only now.
    pub(super) fn close_end(&mut self, back: std::time::Instant) {
        let Some(open) = self.open_end.take() else {
            return;
        };
        let module = Arc::clone(&self.me);
        self.asking.spawn(async move {
            if let Err(error) = module.history.close(&open, back).await {
                tracing::warn!(%error, "the return of opencode is missing in its history");
            }
            Learned::Nothing
        });
    }
}
