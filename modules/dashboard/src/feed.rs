//! Keeps an open dashboard true: only what has changed is sent.

use std::time::{Duration, SystemTime};

use kit::{BoxFuture, Feed, Frame, Patch};
use tokio::time::{Instant, sleep_until};

use crate::{
    page,
    view::{Source, View},
};

/// Output may come in thousands of lines a second; nobody reads more often than this.
const OUTPUT_EVERY: Duration = Duration::from_millis(500);

pub(crate) struct Cards {
    source: Source,
    sent: Option<View>,
    output_at: Instant,
}

impl Cards {
    pub fn new(source: Source) -> Self {
        Self {
            source,
            sent: None,
            output_at: Instant::now(),
        }
    }

    fn changes(&mut self, now: SystemTime) -> Option<Frame> {
        self.source.overview.mark_unchanged();
        self.source.tails.changed.mark_unchanged();
        let view = self.source.read();
        let patches = patches(self.sent.as_ref(), &view, now);
        self.sent = Some(view);
        (!patches.is_empty()).then_some(Frame {
            cursor: None,
            patches,
        })
    }

    /// `None` when the agent ends.
    async fn wait(&mut self) -> Option<()> {
        let output = async {
            if self.source.tails.changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            // Not seen yet: whoever waits may be dropped before it is.
            self.source.tails.changed.mark_changed();
            sleep_until(self.output_at).await;
        };
        tokio::select! {
            changed = self.source.overview.changed() => changed.ok(),
            () = output => {
                self.output_at = Instant::now() + OUTPUT_EVERY;
                Some(())
            }
        }
    }
}

fn patches(sent: Option<&View>, view: &View, now: SystemTime) -> Vec<Patch> {
    let mut patches = Vec::new();
    if sent.is_none_or(|sent| sent.headline != view.headline) {
        patches.push(Patch::Set {
            id: page::HEADLINE_ID.to_owned(),
            html: page::headline(&view.headline).into_string(),
        });
    }
    let ids = |view: &View| -> Vec<_> { view.cards.iter().map(|card| card.id).collect() };
    if sent.is_none_or(|sent| ids(sent) != ids(view)) {
        patches.push(Patch::Set {
            id: page::PARTS_ID.to_owned(),
            html: page::parts(view, now).into_string(),
        });
        return patches;
    }
    for card in &view.cards {
        let is_known = sent.is_some_and(|sent| sent.cards.contains(card));
        if !is_known {
            patches.push(Patch::Set {
                id: page::card_id(card.id),
                html: page::card(card, now).into_string(),
            });
        }
    }
    patches
}

impl Feed for Cards {
    fn next(&mut self) -> BoxFuture<'_, Option<Frame>> {
        Box::pin(async move {
            loop {
                // The first frame repeats the page, which may have changed before its socket was open.
                if self.sent.is_some() {
                    self.wait().await?;
                }
                if let Some(frame) = self.changes(SystemTime::now()) {
                    return Some(frame);
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
