//! Where log lines come from: the agent's own events, and what its children write.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    thread::JoinHandle,
    time::SystemTime,
};

use kit::Secret;
use tokio::sync::watch;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{Layer, Registry, filter::Targets, layer::Context, registry::LookupSpan, reload};

use crate::{
    Entry, Level, LogSettings,
    clean::clean_of,
    entry::level_of_output,
    files::Keep,
    hidden::Hidden,
    queue::{Line, Queue},
    writer::{Told, Writer},
};

/// The agent's own source.
pub const AGENT: &str = "agent";

/// Libraries that tell their life at every step; ours is what a debug log is read for.
const CHATTY: &[&str] = &[
    "hyper",
    "hyper_util",
    "h2",
    "tokio",
    "mio",
    "reqwest",
    "rustls",
    "tungstenite",
    "zbus",
];

/// Events on their way to the files. Everything is written out when the last clone is dropped or [`close`](Self::close)d.
#[derive(Clone)]
pub struct Capture(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    /// `None` once closed.
    queue: std::sync::Mutex<Option<Queue>>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
    told: Arc<Told>,
    keep: watch::Sender<Keep>,
    level: reload::Handle<Targets, Registry>,
    hidden: Hidden,
}

/// Begins to write logs to `folder` and gives the layer for the agent's subscriber.
///
/// Called once, before anything else is wired. The folder need not exist yet when lines begin to come.
///
/// # Errors
/// When the system gives no thread.
pub fn begin(
    folder: &Path,
    settings: &LogSettings,
) -> io::Result<(Capture, Box<dyn Layer<Registry> + Send + Sync>)> {
    let (queue, lines, backlog) = Queue::new();
    let (filter, level) = reload::Layer::new(targets(settings.level));
    let told = Arc::new(Told {
        recent: std::sync::Mutex::default(),
        revision: watch::Sender::new(0),
        trouble: watch::Sender::new(None),
    });
    let keep = watch::Sender::new(settings.keep());
    let hidden = Hidden::default();
    let writer = Writer {
        folder: folder.to_owned(),
        lines,
        backlog,
        keep: keep.subscribe(),
        told: Arc::clone(&told),
        hidden: hidden.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("logs".to_owned())
        .stack_size(512 * 1024)
        .spawn(move || writer.run())?;
    let capture = Capture(Arc::new(Inner {
        folder: folder.to_owned(),
        queue: std::sync::Mutex::new(Some(queue)),
        thread: std::sync::Mutex::new(Some(thread)),
        told,
        keep,
        level,
        hidden,
    }));
    let layer = Events(capture.clone()).with_filter(filter);
    Ok((capture, Box::new(layer)))
}

fn targets(level: Level) -> Targets {
    let filter = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let quiet = filter.min(LevelFilter::INFO);
    Targets::new()
        .with_default(filter)
        .with_targets(CHATTY.iter().map(|target| (*target, quiet)))
}

impl Capture {
    /// Where the files are.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Takes over changed settings at once.
    pub fn apply(&self, settings: &LogSettings) {
        self.0.keep.send_replace(settings.keep());
        if let Err(error) = self.0.level.reload(targets(settings.level)) {
            tracing::warn!(%error, "the log level could not be changed");
        }
    }

    /// `text` as it may be stored: without secrets, those hidden here included, and without control characters.
    pub fn clean(&self, text: &str) -> String {
        clean_of(text, &self.0.hidden)
    }

    /// Hides a secret that is known word for word from every line that is not written yet: of all that were named the
    /// last few dozen, of eight bytes or more.
    pub fn hide(&self, secret: Secret) {
        self.0.hidden.add(secret);
    }

    /// Where a child's output goes.
    pub fn sink(&self) -> LogSink {
        LogSink(self.clone())
    }

    /// Changes whenever lines were added.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.told.revision.subscribe()
    }

    /// Why nothing can be written, while that is so.
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.0.told.trouble.subscribe()
    }

    /// The last lines about one module, oldest first: its child's output, or what its own code said.
    pub fn tail(&self, module: &str, lines: usize) -> Vec<String> {
        let recent = self.0.told.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let is_about = |entry: &&Entry| {
            entry.source == module || entry.source == AGENT && entry.target.split("::").next() == Some(module)
        };
        let mut found: Vec<String> = recent
            .iter()
            .rev()
            .filter(is_about)
            .take(lines)
            .map(|entry| entry.text.clone())
            .collect();
        found.reverse();
        found
    }

    /// Writes out what waits and ends the thread. What is said afterwards is lost.
    pub fn close(&self) {
        let queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(queue);
        let thread = self
            .0
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A panic in there has been printed; there is nobody left to tell.
            let _ = thread.join();
        }
    }

    fn push(&self, line: Line) {
        let queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = &*queue {
            queue.push(line);
        }
    }
}

/// What a child writes to.
#[derive(Clone)]
pub struct LogSink(Capture);

/// Which of a child's outputs a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

impl LogSink {
    /// Takes one line of the child `source`, e.g. `"opencode"`: the name of its file. Never waits.
    pub fn line(&self, source: &'static str, stream: Stream, text: &str) {
        self.0.push(Line {
            at: SystemTime::now(),
            level: level_of_output(text),
            source,
            target: match stream {
                Stream::Out => "stdout".to_owned(),
                Stream::Err => "stderr".to_owned(),
            },
            text: text.to_owned(),
            fields: BTreeMap::new(),
        });
    }
}

struct Events(Capture);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let metadata = event.metadata();
        self.0.push(Line {
            at: SystemTime::now(),
            level: level(*metadata.level()),
            source: AGENT,
            target: metadata.target().to_owned(),
            text: said.text,
            fields: said.fields,
        });
    }
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

#[derive(Default)]
struct Said {
    text: String,
    fields: BTreeMap<String, String>,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.text);
        } else {
            self.fields.insert(field.name().to_owned(), value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        self.record_str(field, &text);
    }
}
