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
    /// The list has to be read, because nobody has since it changed: whoever waited for it may have been dropped.
    is_due: bool,
}

impl Rows {
    pub(crate) fn new(list: List) -> Self {
        let changed = list.changed();
        Self {
            list,
            changed,
            sent: None,
            // The first frame repeats the page, which may have changed before its socket was open.
            is_due: true,
        }
    }
}

impl Feed for Rows {
    fn next(&mut self) -> BoxFuture<'_, Option<Frame>> {
        Box::pin(async move {
            loop {
                if !self.is_due {
                    self.changed.changed().await.ok()?;
                    self.is_due = true;
                }
                self.changed.mark_unchanged();
                let rows = self.list.newest().await.ok()?;
                self.is_due = false;
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

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    use kit::{Notice, NoticeKind};
    use store::Store;

    use super::*;

    fn notice(body: &str) -> Notice {
        Notice {
            kind: NoticeKind::Tunnel,
            key: "tunnel".to_owned(),
            title: "An address".to_owned(),
            body: body.to_owned(),
            page: "/dashboard".to_owned(),
            answers: Vec::new(),
            away: None,
        }
    }

    #[tokio::test]
    async fn whoever_gives_up_waiting_misses_nothing() {
        let store = Store::in_memory().unwrap();
        let list = List::new(store.clone()).unwrap();
        let mut rows = Rows::new(list.clone());
        rows.next().await.unwrap();
        list.add(&notice("the new one"), SystemTime::now()).await.unwrap();
        let (taken, is_taken) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let busy = thread::spawn(move || {
            store.read_blocking(|_| {
                taken.send(()).unwrap();
                released.recv().unwrap();
                Ok(())
            })
        });
        is_taken.recv().unwrap();

        // The header of the page had something to say first, and this was dropped while it read the list.
        assert!(futures_util::poll!(rows.next()).is_pending());

        release.send(()).unwrap();
        busy.join().unwrap().unwrap();
        let told = tokio::time::timeout(Duration::from_secs(20), rows.next()).await;
        let frame = told.unwrap().unwrap();
        let [Patch::Set { html, .. }] = &frame.patches[..] else {
            panic!("{frame:?}");
        };
        assert!(html.contains("the new one"));
    }
}
