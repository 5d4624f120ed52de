//! Keeps an open list true.

use std::time::SystemTime;

use kit::{BoxFuture, Feed, Frame, Patch};
use tokio::sync::watch;

use crate::{
    list::{List, Row},
    page,
};

pub(crate) struct Rows {
    list: List,
    changed: watch::Receiver<u64>,
    sent: Option<Vec<Row>>,
}

impl Rows {
    pub(crate) fn new(list: List) -> Self {
        let changed = list.changed();
        Self {
            list,
            changed,
            sent: None,
        }
    }
}

impl Feed for Rows {
    fn next(&mut self) -> BoxFuture<'_, Option<Frame>> {
        Box::pin(async move {
            loop {
                // The first frame repeats the page, which may have changed before its socket was open.
                if self.sent.is_some() {
                    self.changed.changed().await.ok()?;
                }
                self.changed.mark_unchanged();
                let rows = self.list.newest().await.ok()?;
                if self.sent.as_ref() != Some(&rows) {
                    let html = page::rows(&rows, SystemTime::now()).into_string();
                    self.sent = Some(rows);
                    return Some(Frame {
                        cursor: None,
                        patches: vec![Patch::Set {
                            id: page::ROWS_ID.to_owned(),
                            html,
                        }],
                    });
                }
            }
        })
    }
}
