//! Everything that is said, in files: what the agent does and what its children write.
//!
//! [`begin`] gives a `tracing` layer for the agent and a [`LogSink`] for children. Lines go through a bounded queue to
//! one thread, which takes secrets and control characters out, writes JSON lines to one file per source, and begins
//! a new file when one is full. Logging never waits and never fails the one who logs: what finds no room, no
//! allowance or no disk is counted, and the count becomes a line.
//!
//! Reading ([`read`], [`last`], [`Follow`]) needs the files only, so `nexus logs` works without an agent. This crate
//! sends nothing anywhere.

mod capture;
mod clean;
mod entry;
mod feed;
mod files;
mod follow;
mod hidden;
mod page;
mod query;
mod queue;
mod redact;
mod settings;
mod writer;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{Router, extract::Query as Asked, routing::get};
use kit::{
    BoxFuture, CancellationToken, Chrome, Context, Fact, Feed, LiveRequest, Module, ModuleId, Page, Setting,
    State, Status,
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

pub use capture::{AGENT, Capture, LogSink, Stream, begin};
pub use clean::{FIELD_BYTES_MAX, clean};
pub use entry::{Entry, Level};
pub use follow::Follow;
pub use query::{Query, QueryError, last, literal, pattern, read, since};
pub use redact::redacted;
pub use settings::LogSettings;
pub use writer::BYTES_PER_S_MAX;

/// How often the files are measured. They grow slowly, and an idle agent shall sleep.
const MEASURE_EVERY: Duration = Duration::from_secs(60);

const KIB: u64 = 1024;

/// The logs as a module: settings that apply at once, a status, a page.
pub struct Logs {
    capture: Capture,
    settings: Setting<LogSettings>,
    status: watch::Sender<Status>,
}

impl Logs {
    /// Wires the module around the capture that was begun at the agent's start.
    pub fn new(cx: &Context, capture: Capture) -> Arc<Self> {
        Arc::new(Self {
            capture,
            settings: cx.settings.section(),
            status: watch::Sender::new(Status::new(State::Running, SystemTime::now())),
        })
    }

    fn tell(&self, trouble: Option<String>) {
        let state = if trouble.is_some() {
            State::Degraded
        } else {
            State::Running
        };
        let mut status = Status::new(state, SystemTime::now());
        status.reason = trouble;
        status.facts = self.status.borrow().facts.clone();
        self.status.send_replace(status);
    }

    /// Looks how much there is, and says so where that is news.
    async fn measure(&self) {
        let folder = self.capture.folder().to_owned();
        let found = tokio::task::spawn_blocking(move || facts(&folder)).await;
        // A folder that cannot be read is trouble, which the writer tells.
        let Ok(facts) = found else { return };
        self.status.send_if_modified(|status| {
            let is_new = status.facts != facts;
            status.facts = facts;
            is_new
        });
    }
}

fn facts(folder: &Path) -> Vec<Fact> {
    let mut facts = vec![Fact("Folder", folder.display().to_string())];
    if let Ok((files, bytes)) = files::size(folder) {
        facts.push(Fact("Size", amount(bytes)));
        facts.push(Fact("Files", files.to_string()));
    }
    facts
}

/// E.g. `"1.4 MiB"`: coarse enough that a quiet agent's figure does not change with every line.
fn amount(bytes: u64) -> String {
    let tenths = bytes / (KIB * KIB / 10);
    match tenths {
        0 => "below 0.1 MiB".to_owned(),
        _ => format!("{}.{} MiB", tenths / 10, tenths % 10),
    }
}

impl Module for Logs {
    fn id(&self) -> ModuleId {
        ModuleId("logs")
    }

    fn title(&self) -> &'static str {
        "Logs"
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    fn pages(&self) -> Vec<Page> {
        vec![Page {
            path: "/logs",
            title: "Logs",
            icon: "logs",
        }]
    }

    fn routes(self: Arc<Self>) -> Router {
        let show = move |axum::Extension(chrome): axum::Extension<Arc<Chrome>>,
                         Asked(asked): Asked<page::Asked>| {
            page::show(self.capture.folder().to_owned(), chrome, asked)
        };
        Router::new().route("/", get(show))
    }

    fn live(&self, request: LiveRequest) -> Option<Box<dyn Feed>> {
        let lines = feed::Added::new(&self.capture, &request.key, request.cursor.as_deref())?;
        Some(Box::new(lines))
    }

    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            let mut settings = self.settings.clone();
            let mut trouble = self.capture.trouble();
            self.capture.apply(&settings.get());
            let mut measure = interval(MEASURE_EVERY);
            measure.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = measure.tick() => self.measure().await,
                    () = stop.cancelled() => return Ok(()),
                    changed = settings.changed() => self.capture.apply(&changed),
                    Ok(()) = trouble.changed() => {
                        let trouble = trouble.borrow_and_update().clone();
                        self.tell(trouble);
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
