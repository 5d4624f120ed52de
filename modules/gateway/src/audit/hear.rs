//! Hearing what is said.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

/// The target of events that are kept.
pub const TARGET: &str = "audit";

/// Longest value of a field, in characters: names of devices and addresses are short.
const VALUE_CHARS_MAX: usize = 200;

/// One thing that was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub at: SystemTime,
    /// E.g. `"login"`.
    pub event: String,
    /// The other fields; `text` is a sentence for people.
    pub fields: Map<String, Value>,
}

impl Heard {
    /// That `count` lines found no room.
    pub fn lost(count: u64, at: SystemTime) -> Self {
        let mut fields = Map::new();
        fields.insert("count".to_owned(), count.into());
        fields.insert(
            "text".to_owned(),
            "more was done at once than could be kept".into(),
        );
        Self {
            at,
            event: "lost".to_owned(),
            fields,
        }
    }

    /// The field `name` as text; empty when there is none.
    pub fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// The layer; hears all it is let.
pub struct Ears {
    said: mpsc::Sender<Heard>,
    lost: Arc<AtomicU64>,
}

impl Ears {
    pub fn new(said: mpsc::Sender<Heard>, lost: Arc<AtomicU64>) -> Self {
        Self { said, lost }
    }
}

impl<S: Subscriber> Layer<S> for Ears {
    fn on_event(&self, event: &Event<'_>, _cx: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let heard = Heard {
            at: SystemTime::now(),
            event: fields.event,
            fields: fields.others,
        };
        if self.said.try_send(heard).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[derive(Default)]
struct Fields {
    event: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("event", Value::String(event)) => self.event = event,
            ("message", text) => drop(self.others.insert("text".to_owned(), text)),
            (name, value) => drop(self.others.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(
            field,
            value.chars().take(VALUE_CHARS_MAX).collect::<String>().into(),
        );
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}
