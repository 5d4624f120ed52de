//! Lines on standard error, in text or JSON, each written whole and at once.

use std::{
    fs::File,
    io::{self, Write},
    sync::Mutex,
};

use serde_json::{Map, Value};

use crate::die;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Where lines go. A closed standard error ends the process by SIGPIPE, as it does with the real one.
pub(crate) struct Log {
    format: Format,
    least: Level,
    file: Option<Mutex<File>>,
}

impl Level {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" => Self::Warn,
            "error" => Self::Error,
            "fatal" => Self::Fatal,
            _ => return None,
        })
    }

    fn short(self) -> &'static str {
        match self {
            Self::Debug => "DBG",
            Self::Info => "INF",
            Self::Warn => "WRN",
            Self::Error => "ERR",
            Self::Fatal => "FTL",
        }
    }

    fn long(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// Named values of a line, e.g. `json!({"connIndex": 0})`.
pub(crate) type Fields = Value;

impl Log {
    pub(crate) fn new(format: Format, least: Level, file: Option<File>) -> Self {
        Self {
            format,
            least,
            file: file.map(Mutex::new),
        }
    }

    pub(crate) fn info(&self, message: &str) {
        self.line(Level::Info, message, &Value::Null);
    }

    pub(crate) fn error(&self, message: &str) {
        self.line(Level::Error, message, &Value::Null);
    }

    pub(crate) fn line(&self, level: Level, message: &str, fields: &Fields) {
        if level < self.least {
            return;
        }
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let json = json_line(&now, level, message, fields);
        if let Some(file) = self.file.as_ref().and_then(|file| file.lock().ok()) {
            // A full disk silences the file alone.
            let _ = (&*file).write_all(format!("{json}\n").as_bytes());
        }
        match self.format {
            Format::Json => bare(&json),
            Format::Text => bare(&text_line(&now, level, message, fields)),
        }
    }
}

/// A line without time and level, as the last words before a failure are in both formats.
pub(crate) fn bare(line: &str) {
    let written = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
    if written.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        die::of_signal("PIPE");
    }
}

fn json_line(now: &str, level: Level, message: &str, fields: &Fields) -> String {
    let mut line = fields.as_object().cloned().unwrap_or_else(Map::new);
    line.insert("level".to_owned(), level.long().into());
    line.insert("time".to_owned(), now.into());
    if !message.is_empty() {
        line.insert("message".to_owned(), message.into());
    }
    Value::Object(line).to_string()
}

/// The error stands first, the others in the order of their names.
fn text_line(now: &str, level: Level, message: &str, fields: &Fields) -> String {
    let mut line = format!("{now} {} {message}", level.short());
    let fields = fields.as_object().cloned().unwrap_or_default();
    let (first, rest): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| *name == "error");
    for (name, value) in first.into_iter().chain(rest) {
        let value = value.as_str().map_or_else(|| value.to_string(), quoted);
        line.push_str(&format!(" {name}={value}"));
    }
    line
}

fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte > b' ' && byte < 0x7f && byte != b'"' && byte != b'\\';
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-11-21T02:10:21Z";

    #[test]
    fn a_line_looks_as_the_real_one_in_both_formats() {
        let fields = json!({"connIndex": 0, "event": 0, "location": "lhr01", "error": "no such tunnel"});

        assert_eq!(
            text_line(NOW, Level::Error, "Connection terminated", &fields),
            "2026-11-21T02:10:21Z ERR Connection terminated error=\"no such tunnel\" connIndex=0 event=0 location=lhr01"
        );
        assert_eq!(
            json_line(NOW, Level::Info, "Registered", &json!({"connIndex": 0})),
            r#"{"connIndex":0,"level":"info","message":"Registered","time":"2026-11-21T02:10:21Z"}"#
        );
    }
}
