//! A fenced code block that is still being written: read line by line, never twice.

use crate::code::{Highlighter, Lines};

/// The opening line of a top-level fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    mark: u8,
    length: usize,
    indent: usize,
    /// First word of the info text, e.g. `rust`.
    pub language: String,
}

impl Fence {
    /// Reads an opening line (without its end).
    pub fn opening(line: &str) -> Option<Self> {
        let rest = line.trim_start_matches(' ');
        let indent = line.len() - rest.len();
        let mark = *rest.as_bytes().first()?;
        if indent > 3 || !matches!(mark, b'`' | b'~') {
            return None;
        }
        let length = rest.bytes().take_while(|byte| *byte == mark).count();
        let info = rest[length..].trim();
        if length < 3 || mark == b'`' && info.contains('`') {
            return None;
        }
        Some(Self {
            mark,
            length,
            indent,
            language: super::pieces::first_word(info).to_owned(),
        })
    }

    fn is_closed_by(&self, line: &str) -> bool {
        let rest = line.trim_start_matches(' ');
        let length = rest.bytes().take_while(|byte| *byte == self.mark).count();
        line.len() - rest.len() <= 3
            && length >= self.length
            && rest[length..].chars().all(|char| matches!(char, ' ' | '\t'))
    }

    /// The line without the indentation the opening fence had.
    fn content<'a>(&self, line: &'a str) -> &'a str {
        let spaces = line
            .bytes()
            .take(self.indent)
            .take_while(|byte| *byte == b' ')
            .count();
        &line[spaces..]
    }
}

/// What came of reading further.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// The block goes on.
    Open,
    /// The block ended; the text after it starts here.
    Closed(usize),
}

/// An open block and how far it has been read.
pub struct OpenCode {
    fence: Fence,
    lines: Lines,
    /// Where the next unread line starts in the document.
    at: usize,
    /// HTML of the lines so far.
    pub html: String,
    has_lines: bool,
}

impl OpenCode {
    /// Starts after the opening line.
    pub fn new(fence: Fence, at: usize, highlighter: &Highlighter) -> Self {
        Self {
            lines: highlighter.lines(&fence.language),
            fence,
            at,
            html: String::new(),
            has_lines: false,
        }
    }

    /// The language as it was written.
    pub fn language(&self) -> &str {
        &self.fence.language
    }

    /// Reads all complete lines of `text` (and the incomplete one if the text `is_complete`), adding HTML to `grown`.
    pub fn read(&mut self, text: &str, is_complete: bool, grown: &mut String) -> Read {
        loop {
            let rest = &text[self.at..];
            let (line, next) = match rest.find('\n') {
                Some(end) => (&rest[..end], self.at + end + 1),
                None if is_complete && !rest.is_empty() => (rest, text.len()),
                None => return Read::Open,
            };
            self.at = next;
            if self.fence.is_closed_by(line) {
                return Read::Closed(next);
            }
            let start = self.html.len();
            if self.has_lines {
                self.html.push('\n');
            }
            self.has_lines = true;
            self.lines.line(self.fence.content(line), &mut self.html);
            grown.push_str(&self.html[start..]);
        }
    }
}
