//! Code in colour: names of colours, never colours, so that the stylesheet decides for both schemes.
//!
//! Lines are given one after another and each is answered with its HTML, so a block that is still being written costs
//! what its new lines cost. The grammars are loaded on first use and given back after a while of quiet, because they
//! weigh more than the rest of the program.

mod classes;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use syntect::parsing::{ParseState, ScopeStack, SyntaxReference, SyntaxSet};

use crate::text::escape_into;

/// Longer lines stay plain: minified files cost much and gain nothing.
const LINE_BYTES_MAX: usize = 2 * 1024;
/// What follows in a longer block stays plain.
const BLOCK_BYTES_MAX: usize = 256 * 1024;
/// Quiet after which the grammars are given back.
pub const IDLE: Duration = Duration::from_secs(20);

/// The grammars, loaded while they are used.
#[derive(Default)]
pub struct Highlighter {
    loaded: Mutex<Option<Loaded>>,
}

struct Loaded {
    grammars: Arc<SyntaxSet>,
    used_at: Instant,
}

impl Highlighter {
    /// Starts a block of code. An unknown language gives plain lines.
    pub fn lines(&self, language: &str) -> Lines {
        let Some(token) = grammar_name(language) else {
            return Lines {
                state: None,
                bytes: 0,
            };
        };
        let grammars = self.grammars();
        let state = find(&grammars, &token).map(|grammar| State {
            parse: ParseState::new(grammar),
            scopes: ScopeStack::new(),
            grammars: grammars.clone(),
        });
        Lines { state, bytes: 0 }
    }

    /// A whole block of code.
    pub fn whole(&self, language: &str, content: &str) -> String {
        let mut lines = self.lines(language);
        let mut html = String::with_capacity(content.len() * 3);
        for (index, line) in content.split('\n').enumerate() {
            if index > 0 {
                html.push('\n');
            }
            lines.line(line, &mut html);
        }
        html
    }

    /// Gives the grammars back when they were not used for a while; true when that happened now.
    pub fn rest(&self, now: Instant) -> bool {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = loaded
            .as_ref()
            .is_some_and(|loaded| now.saturating_duration_since(loaded.used_at) >= IDLE);
        if is_idle {
            *loaded = None;
        }
        is_idle
    }

    fn grammars(&self) -> Arc<SyntaxSet> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let loaded = loaded.get_or_insert_with(|| Loaded {
            grammars: Arc::new(two_face::syntax::extra_newlines()),
            used_at: now,
        });
        loaded.used_at = now;
        loaded.grammars.clone()
    }
}

/// A block of code, as far as it has been read.
pub struct Lines {
    state: Option<State>,
    bytes: usize,
}

struct State {
    parse: ParseState,
    scopes: ScopeStack,
    grammars: Arc<SyntaxSet>,
}

impl Lines {
    /// Appends the HTML of the next line, which is given without its end.
    pub fn line(&mut self, line: &str, html: &mut String) {
        self.bytes += line.len() + 1;
        if line.len() > LINE_BYTES_MAX || self.bytes > BLOCK_BYTES_MAX {
            self.state = None;
        }
        let Some(state) = &mut self.state else {
            return escape_into(html, line);
        };
        let with_end = format!("{line}\n");
        let Ok(operations) = state.parse.parse_line(&with_end, &state.grammars) else {
            // A grammar that fails is not asked again.
            self.state = None;
            return escape_into(html, line);
        };
        let mut run = Run::default();
        let mut at = 0;
        for (next, operation) in operations {
            run.push(
                &line[at.min(line.len())..next.min(line.len())],
                classes::of(&state.scopes),
                html,
            );
            at = next;
            if state.scopes.apply(&operation).is_err() {
                self.state = None;
                run.push(&line[at.min(line.len())..], None, html);
                return run.end(html);
            }
        }
        run.push(&line[at.min(line.len())..], classes::of(&state.scopes), html);
        run.end(html);
    }
}

/// Neighbouring pieces of one class become one element; blanks join whatever stands before them.
#[derive(Default)]
struct Run {
    class: Option<&'static str>,
    text: String,
}

impl Run {
    fn push(&mut self, text: &str, class: Option<&'static str>, html: &mut String) {
        if text.is_empty() {
            return;
        }
        let is_blank = text.bytes().all(|byte| byte == b' ' || byte == b'\t');
        if class != self.class && (!is_blank || self.text.is_empty()) {
            self.end_into(html);
            self.class = class;
        }
        self.text.push_str(text);
    }

    fn end(mut self, html: &mut String) {
        self.end_into(html);
    }

    fn end_into(&mut self, html: &mut String) {
        if self.text.is_empty() {
            return;
        }
        match self.class {
            None => escape_into(html, &self.text),
            Some(class) => {
                html.push_str("<span class=\"");
                html.push_str(class);
                html.push_str("\">");
                escape_into(html, &self.text);
                html.push_str("</span>");
            }
        }
        self.text.clear();
    }
}

/// The name a grammar is looked up by; `None` for what is not code.
fn grammar_name(language: &str) -> Option<String> {
    let name = language.trim().to_ascii_lowercase();
    let token = match name.as_str() {
        "" | "text" | "txt" | "plain" | "plaintext" | "output" => return None,
        "shell" | "console" | "zsh" | "sh" | "shellscript" => "bash",
        "golang" => "go",
        "c++" => "cpp",
        "c#" | "csharp" => "cs",
        "js" | "mjs" | "cjs" | "node" => "javascript",
        "jsx" => "javascript",
        "rs" => "rust",
        "py" | "python3" => "python",
        "yml" => "yaml",
        "jsonc" | "json5" | "jsonl" => "json",
        "docker" | "dockerfile" => "dockerfile",
        "patch" => "diff",
        "ps1" | "pwsh" => "powershell",
        other => other,
    };
    Some(token.to_owned())
}

fn find<'a>(grammars: &'a SyntaxSet, token: &str) -> Option<&'a SyntaxReference> {
    grammars.find_syntax_by_token(token)
}

#[cfg(test)]
mod tests;
