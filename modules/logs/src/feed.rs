//! Adds new lines to an open log page.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use kit::{BoxFuture, Feed, Frame, Patch};
use regex::Regex;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    Capture, Entry, Follow, Query, last,
    page::{Asked, LINES, ROWS_ID, row, rows},
};

/// Nobody reads faster; a flood becomes fewer, larger frames.
const EVERY: Duration = Duration::from_millis(400);
/// Rows an open page holds at most; then it is cut back to the last ones.
const ROWS_MAX: usize = 4 * LINES;

/// A page's place in the logs.
pub(crate) struct Added {
    reader: Arc<Mutex<Reader>>,
    pattern: Option<Regex>,
    changed: watch::Receiver<u64>,
    /// The files have to be read, because nobody has since they changed.
    is_due: bool,
    rows: usize,
    next_at: Instant,
}

/// Shared with the thread that reads, so that nothing is lost when the one who waits gives up.
struct Reader {
    folder: PathBuf,
    query: Query,
    follow: Option<Follow>,
    /// Up to here the page has every line: what is read again is not sent again.
    floor: SystemTime,
    found: Vec<Entry>,
}

/// A time as the cursor of a page.
pub(crate) fn cursor(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_millis().to_string()
}

fn time(cursor: &str) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(cursor.parse().ok()?))
}

impl Added {
    /// Follows what `key`, made by the page, asks for; `None` when it says nothing sensible.
    pub fn new(capture: &Capture, key: &str, cursor: Option<&str>) -> Option<Self> {
        let query = Asked::from_key(key)?.query().ok()?;
        let changed = capture.changed();
        Some(Self {
            pattern: query.pattern.clone(),
            reader: Arc::new(Mutex::new(Reader {
                folder: capture.folder().to_owned(),
                query,
                follow: None,
                floor: cursor.and_then(time).unwrap_or_else(SystemTime::now),
                found: Vec::new(),
            })),
            changed,
            is_due: true,
            rows: LINES,
            next_at: Instant::now(),
        })
    }

    fn frame(&mut self, now: SystemTime) -> Option<Frame> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = std::mem::take(&mut reader.found);
        drop(reader);
        let cursor = cursor(found.last()?.at);
        self.rows += found.len();
        let patch = if found.len() >= LINES {
            found.drain(..found.len() - LINES);
            self.rows = LINES;
            Patch::Set {
                id: ROWS_ID.to_owned(),
                html: rows(&found, self.pattern.as_ref(), now).into_string(),
            }
        } else {
            let added = found
                .iter()
                .map(|line| row(line, self.pattern.as_ref(), now).into_string());
            Patch::Append {
                id: ROWS_ID.to_owned(),
                html: added.collect(),
            }
        };
        Some(Frame {
            cursor: Some(cursor),
            patches: vec![patch],
        })
    }
}

impl Reader {
    fn read(&mut self) -> io::Result<()> {
        let is_first = self.follow.is_none();
        let added = match &mut self.follow {
            Some(follow) => follow.more()?,
            None => {
                // Ends first, then what came since the page: a line may be read twice, never missed.
                self.follow = Some(Follow::begin(&self.folder, self.query.clone())?);
                last(&self.folder, &self.query, LINES)?
            }
        };
        let floor = self.floor;
        self.found
            .extend(added.into_iter().filter(|line| line.at > floor));
        if is_first {
            self.floor = self.found.last().map_or(floor, |line| line.at);
        }
        let surplus = self.found.len().saturating_sub(LINES);
        self.found.drain(..surplus);
        Ok(())
    }
}

impl Feed for Added {
    fn next(&mut self) -> BoxFuture<'_, Option<Frame>> {
        Box::pin(async move {
            loop {
                if self.rows > ROWS_MAX {
                    // The page loads itself again and holds the last lines only.
                    return None;
                }
                if let Some(frame) = self.frame(SystemTime::now()) {
                    return Some(frame);
                }
                // Whoever waits may be dropped at each of these points, and the next one has to go on there.
                if !self.is_due {
                    self.changed.changed().await.ok()?;
                    self.is_due = true;
                }
                sleep_until(self.next_at).await;
                self.changed.mark_unchanged();
                let reader = Arc::clone(&self.reader);
                let read = tokio::task::spawn_blocking(move || {
                    reader.lock().unwrap_or_else(PoisonError::into_inner).read()
                });
                if let Ok(Err(error)) = read.await {
                    tracing::debug!(%error, "the log files could not be followed");
                }
                self.next_at = Instant::now() + EVERY;
                self.is_due = false;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use kit::{Caller, Listener, LiveRequest};

    use super::*;
    use crate::{LogSettings, Stream, begin};

    #[tokio::test]
    async fn an_open_page_gets_new_lines_once() {
        let folder = tempfile::tempdir().unwrap();
        let (capture, _layer) = begin(folder.path(), &LogSettings::default()).unwrap();
        let sink = capture.sink();
        let asked = LiveRequest {
            key: r#"["opencode","","<b>",""]"#.to_owned(),
            cursor: Some(cursor(SystemTime::now() - Duration::from_secs(1))),
            caller: Caller {
                session: String::new(),
                listener: Listener::Local,
                proved_at: SystemTime::now(),
                asked_at: SystemTime::UNIX_EPOCH,
            },
        };
        let mut feed = Added::new(&capture, &asked.key, asked.cursor.as_deref()).unwrap();

        sink.line("opencode", Stream::Out, "one <b>");
        sink.line("opencode", Stream::Out, "other");
        let first = feed.next().await.unwrap();
        sink.line("opencode", Stream::Out, "two <b>");
        let second = feed.next().await.unwrap();

        let html = |frame: &Frame| match &frame.patches[..] {
            [Patch::Append { html, .. }] => html.clone(),
            patches => panic!("{patches:?}"),
        };
        assert!(html(&first).contains("one <mark>&lt;b&gt;</mark>") && !html(&first).contains("other"));
        assert!(html(&second).contains("two <mark>") && !html(&second).contains("one"));
        assert!(second.cursor > first.cursor);
    }

    #[tokio::test]
    async fn a_page_whose_filter_makes_no_sense_gets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (capture, _layer) = begin(folder.path(), &LogSettings::default()).unwrap();

        assert!(Added::new(&capture, "nonsense", None).is_none());
        assert!(Added::new(&capture, r#"["","","a(","on"]"#, None).is_none());
    }
}
