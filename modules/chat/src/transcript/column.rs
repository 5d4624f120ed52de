//! The column of turns on the page: what it shows now, and how it becomes what it should show.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use kit::Patch;

use super::{
    conversation::Conversation,
    rows::{self, Row, RowKind},
};
use crate::{code::Highlighter, markdown::Document, text, view};

/// The element that holds the turns.
pub const TURNS: &str = "turns";

/// Running output kept on the page; what scrolled away is shown by the finished card.
const OUTPUT_BYTES_MAX: usize = 48 * 1024;
/// Enough of the end of known output to find it again in newer output.
const OVERLAP_BYTES: usize = 256;

/// What the page shows.
#[derive(Default)]
pub struct Column {
    /// Short names of long ids, in the order they were seen.
    names: HashMap<String, usize>,
    turns: Vec<Turn>,
}

struct Turn {
    /// The prompt's id.
    key: String,
    id: String,
    rows: Vec<Shown>,
}

struct Shown {
    id: String,
    version: u64,
    body: Body,
}

enum Body {
    Finished(String),
    /// Words that are being written; in a reasoning row they stand in a folded block.
    Growing {
        document: Box<Document>,
        is_reasoning: bool,
    },
    /// A command that runs: the card as drawn first, and what it has printed.
    Running {
        card: String,
        output: String,
    },
}

/// What drawing needs besides the conversation.
pub struct Pens<'a> {
    pub now: Instant,
    pub highlighter: &'a Highlighter,
    pub place: &'a view::Place<'a>,
}

impl Column {
    /// The whole column, for a page that is made now.
    pub fn html(&self) -> String {
        self.turns.iter().map(Turn::html).collect()
    }

    /// Whether something could be shown later although nothing more arrives.
    pub fn is_behind(&self) -> bool {
        let growing = self.turns.iter().rev().take(2).flat_map(|turn| &turn.rows);
        growing.into_iter().any(|row| match &row.body {
            Body::Growing { document, .. } => document.is_behind(),
            Body::Finished(_) | Body::Running { .. } => false,
        })
    }

    /// Looks at the turns in `touched` again and tells the page what is new.
    pub fn draw(
        &mut self,
        conversation: &Conversation,
        touched: &BTreeSet<String>,
        pens: &Pens<'_>,
        patches: &mut Vec<Patch>,
    ) {
        let wanted = rows::turns(conversation);
        self.turns.retain(|turn| {
            let is_wanted = wanted.contains(&turn.key);
            if !is_wanted {
                patches.push(Patch::Remove { id: turn.id.clone() });
            }
            is_wanted
        });
        for (index, key) in wanted.iter().enumerate() {
            let known = self.turns.iter().position(|turn| turn.key == *key);
            if known.is_some() && !touched.contains(key) {
                continue;
            }
            let rows = rows::rows(conversation, key);
            match known {
                Some(at) => {
                    let mut turn = self.turns.remove(at);
                    self.draw_turn(&mut turn, rows, pens, patches);
                    self.turns.insert(at, turn);
                }
                None => {
                    let mut turn = Turn {
                        id: format!("t{}", self.name(key)),
                        key: key.clone(),
                        rows: Vec::new(),
                    };
                    self.draw_turn(&mut turn, rows, pens, &mut Vec::new());
                    let before = wanted[index + 1..]
                        .iter()
                        .find_map(|later| self.turns.iter().find(|turn| turn.key == *later));
                    patches.push(Patch::Insert {
                        id: TURNS.to_owned(),
                        before: before.map(|turn| turn.id.clone()),
                        html: turn.html(),
                    });
                    let at = index.min(self.turns.len());
                    self.turns.insert(at, turn);
                }
            }
        }
    }

    fn draw_turn(&mut self, turn: &mut Turn, rows: Vec<Row<'_>>, pens: &Pens<'_>, patches: &mut Vec<Patch>) {
        let ids: Vec<String> = rows
            .iter()
            .map(|row| format!("r{}", self.name(&row.key)))
            .collect();
        turn.rows.retain(|shown| {
            let is_wanted = ids.contains(&shown.id);
            if !is_wanted {
                patches.push(Patch::Remove { id: shown.id.clone() });
            }
            is_wanted
        });
        for (index, row) in rows.into_iter().enumerate() {
            let id = &ids[index];
            if let Some(shown) = turn.rows.iter_mut().find(|shown| shown.id == *id) {
                shown.update(&row, pens, patches);
                continue;
            }
            let shown = Shown::new(id.clone(), &row, pens);
            let before = ids[index + 1..]
                .iter()
                .find(|later| turn.rows.iter().any(|shown| shown.id == **later))
                .cloned();
            patches.push(Patch::Insert {
                id: turn.id.clone(),
                before,
                html: shown.html(),
            });
            let at = index.min(turn.rows.len());
            turn.rows.insert(at, shown);
        }
    }

    fn name(&mut self, key: &str) -> usize {
        let next = self.names.len();
        *self.names.entry(key.to_owned()).or_insert(next)
    }
}

impl Turn {
    fn html(&self) -> String {
        let mut html = format!("<section class=\"turn\" id=\"{}\">", self.id);
        for row in &self.rows {
            html.push_str(&row.html());
        }
        html.push_str("</section>");
        html
    }
}

impl Shown {
    fn new(id: String, row: &Row<'_>, pens: &Pens<'_>) -> Self {
        let body = Body::new(&id, row, pens);
        Self {
            id,
            version: row.version,
            body,
        }
    }

    fn html(&self) -> String {
        match &self.body {
            Body::Finished(html) => html.clone(),
            Body::Growing {
                document,
                is_reasoning,
            } if *is_reasoning => {
                view::reasoning(&self.id, &document.html(), document.len(), true).into_string()
            }
            Body::Growing { document, .. } => view::prose(&self.id, &document.html()).into_string(),
            Body::Running { card, output } => view::with_output(card, &self.id, output),
        }
    }

    fn update(&mut self, row: &Row<'_>, pens: &Pens<'_>, patches: &mut Vec<Patch>) {
        let is_waiting = matches!(&self.body, Body::Growing { document, .. } if document.is_behind());
        if self.version == row.version && !is_waiting {
            return;
        }
        self.version = row.version;
        if self.grow(row, pens, patches) {
            return;
        }
        let before = self.html();
        self.body = Body::new(&self.id, row, pens);
        let html = self.html();
        if html != before {
            patches.push(Patch::Set {
                id: self.id.clone(),
                html,
            });
        }
    }

    /// Lets the row become its newer self by additions; false when it has to be drawn anew.
    fn grow(&mut self, row: &Row<'_>, pens: &Pens<'_>, patches: &mut Vec<Patch>) -> bool {
        match (&mut self.body, &row.kind) {
            (
                Body::Growing { document, .. },
                RowKind::Text { text, is_open, .. } | RowKind::Reasoning { text, is_open, .. },
            ) => {
                if !document.extend_to(text) {
                    return false;
                }
                if *is_open {
                    document.advance(pens.now, pens.highlighter, patches);
                    return true;
                }
                document.complete(pens.now, pens.highlighter, patches);
                let (html, len) = (document.html(), document.len());
                let is_reasoning = matches!(row.kind, RowKind::Reasoning { .. });
                let finished = if is_reasoning {
                    patches.push(Patch::Set {
                        id: format!("{}-s", self.id),
                        html: view::reasoning_summary(&self.id, len, false).into_string(),
                    });
                    view::reasoning(&self.id, &html, len, false)
                } else {
                    view::prose(&self.id, &html)
                };
                self.body = Body::Finished(finished.into_string());
                true
            }
            (
                Body::Running { card, output },
                RowKind::Tool {
                    call, waits, is_cut, ..
                },
            ) => {
                let Some(printed) = view::running_output(call).filter(|_| !waits && !is_cut) else {
                    return false;
                };
                if *card != view::tool_row(&self.id, call, *waits, *is_cut, pens.place).into_string() {
                    return false;
                }
                let printed = text::terminal(printed);
                let Some(added) = continuation(output, &printed) else {
                    return false;
                };
                if !added.is_empty() {
                    patches.push(Patch::AppendText {
                        id: format!("{}-o", self.id),
                        text: added.to_owned(),
                    });
                    output.push_str(added);
                }
                output.len() <= OUTPUT_BYTES_MAX
            }
            _ => false,
        }
    }
}

impl Body {
    fn new(id: &str, row: &Row<'_>, pens: &Pens<'_>) -> Self {
        match &row.kind {
            RowKind::Text {
                text, is_open: true, ..
            } => Self::growing(view::prose_id(id), text, false, pens),
            RowKind::Reasoning {
                text, is_open: true, ..
            } => Self::growing(view::reasoning_id(id), text, true, pens),
            RowKind::Tool {
                call, waits, is_cut, ..
            } => {
                let card = view::tool_row(id, call, *waits, *is_cut, pens.place).into_string();
                match view::running_output(call) {
                    Some(printed) if !waits && !is_cut => Self::Running {
                        card,
                        output: tail(&text::terminal(printed)).to_owned(),
                    },
                    Some(_) | None => Self::Finished(card),
                }
            }
            RowKind::Prompt(..)
            | RowKind::Text { .. }
            | RowKind::Reasoning { .. }
            | RowKind::Looks(_)
            | RowKind::Other(_)
            | RowKind::Broken(_)
            | RowKind::End(_) => {
                Self::Finished(view::row(id, row, pens.highlighter, pens.place).into_string())
            }
        }
    }

    fn growing(id: String, text: &str, is_reasoning: bool, pens: &Pens<'_>) -> Self {
        let mut document = Box::new(Document::new(id));
        document.append(text);
        // The page gets the row whole, so what would be told step by step is not.
        document.advance(pens.now, pens.highlighter, &mut Vec::new());
        Self::Growing {
            document,
            is_reasoning,
        }
    }
}

/// What `newer` adds to `known`: the server sends the end of all output again and again, and cuts its beginning.
fn continuation<'a>(known: &str, newer: &'a str) -> Option<&'a str> {
    if let Some(added) = newer.strip_prefix(known) {
        return Some(added);
    }
    let mut from = known.len().saturating_sub(OVERLAP_BYTES);
    while !known.is_char_boundary(from) {
        from += 1;
    }
    let end = &known[from..];
    if end.len() < OVERLAP_BYTES / 2 {
        return None;
    }
    let at = newer.rfind(end)?;
    Some(&newer[at + end.len()..])
}

fn tail(text: &str) -> &str {
    let mut from = text.len().saturating_sub(OUTPUT_BYTES_MAX / 2);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_output_is_told_once() {
        assert_eq!(continuation("a\n", "a\nb\n"), Some("b\n"));
        assert_eq!(continuation("", "a"), Some("a"));
        assert_eq!(continuation("abc", "xyz"), None);

        let known: String = (0..200).map(|line| format!("line {line}\n")).collect();
        let newer: String = (100..210).map(|line| format!("line {line}\n")).collect();
        let added = continuation(&known, &newer).unwrap();
        assert!(added.starts_with("line 200\n") && added.ends_with("line 209\n"));
    }
}
