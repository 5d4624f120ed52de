//! What is left of a child when the driver has done with it.

use tokio::{sync::mpsc, task::JoinSet};

use super::child::{Child, LINES_REMEMBERED, Recorded, last_words, read_out};
use crate::{
    End,
    output::{drain::Drain, ring::Heard},
    tree::Tree,
};

/// For an ending that outlives its child in the driver.
pub(super) struct Remains {
    pub(super) tree: Tree,
    pub(super) readers: JoinSet<()>,
    pub(super) recorded: Recorded,
    /// Its end, to be told once its last words have been read.
    epitaph: Option<Epitaph>,
}

struct Epitaph {
    end: End,
    told: mpsc::Sender<End>,
    drain: Drain,
    mark: u64,
}

impl Remains {
    /// Of a child that has ended by itself; `told` hears of it.
    pub(super) fn of<R>(child: Child<R>, end: End, told: mpsc::Sender<End>) -> Self {
        Self {
            tree: child.tree,
            readers: child.readers,
            recorded: child.recorded,
            epitaph: Some(Epitaph {
                end,
                told,
                drain: child.drain,
                mark: child.mark,
            }),
        }
    }

    /// Of a child that is to be ended.
    pub(super) fn taken_from<R>(child: &mut Child<R>) -> Self {
        Self {
            tree: child.tree.clone(),
            readers: std::mem::take(&mut child.readers),
            recorded: std::mem::replace(&mut child.recorded, Recorded::Failed),
            epitaph: None,
        }
    }

    /// Tells how it ended, with what it said last.
    pub(super) async fn tell(&mut self) {
        let Some(epitaph) = self.epitaph.take() else {
            return;
        };
        read_out(&mut self.readers).await;
        let end = End {
            last_output: last_words(&epitaph.drain, epitaph.mark, LINES_REMEMBERED, Heard::Everything),
            ..epitaph.end
        };
        if let Err(error) = epitaph.told.try_send(end) {
            tracing::debug!(%error, "an end is missing in the history");
        }
    }

    /// Everything has ended: nobody writes any more, and nobody has to be found by the record.
    pub(super) async fn bury(mut self, role: &str, is_gone: bool) {
        self.readers.shutdown().await;
        let record = self.recorded.path().await;
        if !is_gone {
            tracing::error!(
                role,
                pid = self.tree.root.pid,
                "processes are left over and cannot be ended"
            );
            return;
        }
        if let Some(record) = record {
            // Gone already is as good.
            let _ = tokio::fs::remove_file(record).await;
        }
    }
}
