//! The one place that writes to stdout and stderr.

use std::io::{self, IsTerminal, Write};

use serde_json::{Value, json};

use crate::control::Failure;

/// Whether answers are for a program or for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Sentences and tables.
    Text,
    /// One JSON value per line.
    Json,
}

/// Writes one line to stdout.
///
/// A reader that has gone away (`nexus logs | head`) is no error; the caller stops when it gets `false`.
pub fn line(text: &str) -> bool {
    written(writeln!(io::stdout().lock(), "{text}").and_then(|()| io::stdout().flush()))
}

/// Writes a value as one line of JSON to stdout.
pub fn json(value: &Value) -> bool {
    line(&value.to_string())
}

/// Writes bytes as they are, e.g. a completion script.
pub fn raw(bytes: &[u8]) -> bool {
    written(io::stdout().lock().write_all(bytes))
}

/// Tells why something was not done: a sentence on stderr, or an object on stdout for programs.
pub fn failure(failure: &Failure, format: Format) {
    match format {
        Format::Text => remark(&failure.message),
        Format::Json => {
            json(&json!({"error": {"code": failure.code, "message": failure.message}}));
        }
    }
}

/// Says something beside the answer, on stderr.
pub fn remark(text: &str) {
    written(writeln!(io::stderr().lock(), "{text}"));
}

/// Whether a person sits at both ends.
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether a person sees stdout as it is written.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Replaces the line the cursor stands in, which the next line takes the place of.
pub fn running(text: &str) -> bool {
    let mut out = io::stdout().lock();
    written(write!(out, "\r\u{1b}[K{text}").and_then(|()| out.flush()))
}

/// Whether a person sees stderr as it is written.
pub fn is_seen_beside() -> bool {
    io::stderr().is_terminal()
}

/// The same as [`running`] on stderr, beside the answer.
pub fn running_beside(text: &str) -> bool {
    let mut out = io::stderr().lock();
    written(write!(out, "\r\u{1b}[K{text}").and_then(|()| out.flush()))
}

fn written(result: io::Result<()>) -> bool {
    result.is_ok()
}

/// A cell longer than this pushes only its own row aside.
const COLUMN_CHARS_MAX: usize = 40;

/// Rows with their columns aligned, two blanks apart.
pub fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .filter(|width| *width <= COLUMN_CHARS_MAX)
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(cell);
            let gap = (width + 2).saturating_sub(cell.chars().count()).max(2);
            text.extend(std::iter::repeat_n(' ', gap));
        }
        if !line(text.trim_end()) {
            return;
        }
    }
}
