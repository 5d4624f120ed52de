//! A text that grows, and the page that follows it.
//!
//! ```text
//! text:   finished block | finished block | open block … (grows here)
//! page:   said once      | said once      | mirrored by a tree, or read line by line when it is fenced code
//! ```

use std::time::Instant;

use kit::Patch;

use super::{
    build::{self, Block, Memo, Reading},
    definitions::{Definitions, define},
    fence::{Fence, OpenCode, Read},
    grow::{Growing, Outcome, grow},
    pieces::figure,
    tree::{Element, Names, Node},
};
use crate::code::Highlighter;

/// An open block longer than this is read again at most this often; what arrives in between waits.
const REREAD_FREE_BYTES: usize = 16 * 1024;
const REREAD_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// A part of a message as Markdown, complete up to some point.
pub struct Document {
    /// Id of the element that holds the blocks.
    id: String,
    text: String,
    /// HTML of the finished blocks.
    finished: Vec<String>,
    /// Where the open block starts.
    open_at: usize,
    open: Open,
    definitions: Definitions,
    memo: Memo,
    replaced_at: Option<Instant>,
    read_at: Option<Instant>,
    /// Some of the text is not on the page yet although it could be.
    is_behind: bool,
    is_complete: bool,
}

enum Open {
    Nothing,
    Code(Box<OpenCode>),
    /// What the page shows of the open block.
    Tree(Element),
}

impl Document {
    /// An empty text whose blocks will stand in the element `id`.
    pub fn new(id: String) -> Self {
        Self {
            id,
            text: String::new(),
            finished: Vec::new(),
            open_at: 0,
            open: Open::Nothing,
            definitions: Definitions::default(),
            memo: Memo::default(),
            replaced_at: None,
            read_at: None,
            is_behind: false,
            is_complete: false,
        }
    }

    /// Bytes of text so far.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether there is text that may be shown later without any more arriving.
    pub fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Adds text at the end. [`advance`](Self::advance) shows it.
    pub fn append(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.text.ends_with('\r') && !text.starts_with('\n') {
            self.text.pop();
            self.text.push('\n');
        }
        // A carriage return at the end may be the first half of a line end: it stays until more is known.
        let (head, tail) = match text.strip_suffix('\r') {
            Some(head) => (head, "\r"),
            None => (text, ""),
        };
        if self.text.ends_with('\r') {
            self.text.pop();
        }
        self.text.push_str(&crate::text::clean(head));
        self.text.push_str(tail);
        self.is_behind = true;
    }

    /// Whether `text` continues what is here; if so only the rest is added.
    pub fn extend_to(&mut self, text: &str) -> bool {
        let text = crate::text::clean(text);
        let is_continued = text.starts_with(self.text.as_str());
        if is_continued && text.len() > self.text.len() {
            self.text = text.into_owned();
            self.is_behind = true;
        }
        is_continued
    }

    /// The blocks as they are on the page now.
    pub fn html(&self) -> String {
        let mut html = self.finished.concat();
        match &self.open {
            Open::Nothing => {}
            Open::Code(code) => html.push_str(&self.open_figure(code)),
            Open::Tree(tree) => tree.write(&mut html, &Names::every(&self.id, self.finished.len())),
        }
        html
    }

    /// Brings the page up to what can be shown of the text.
    pub fn advance(&mut self, now: Instant, highlighter: &Highlighter, patches: &mut Vec<Patch>) {
        if self.is_complete || !self.is_behind {
            return;
        }
        self.step(now, highlighter, patches, false);
    }

    /// Shows everything; the text will not grow any more. Afterwards the page shows what a whole reading gives, also
    /// where a later definition changed an earlier block.
    pub fn complete(&mut self, now: Instant, highlighter: &Highlighter, patches: &mut Vec<Patch>) {
        if self.is_complete {
            return;
        }
        if self.text.ends_with('\r') {
            self.text.pop();
            self.text.push('\n');
        }
        self.step(now, highlighter, patches, true);
        self.is_complete = true;
        self.is_behind = false;
        let reading = Reading::finished(highlighter);
        let blocks = build::blocks(&self.text, &Definitions::default(), &mut self.memo, &reading);
        let whole: Vec<String> = blocks
            .iter()
            .enumerate()
            .map(|(index, block)| block.element.html(&Names::top(&self.id, index)))
            .collect();
        self.settle(whole, patches);
        self.memo.clear();
        self.memo.shrink_to_fit();
        self.definitions.clear();
    }

    /// Takes the blocks of a whole reading over, telling the page about those that came out differently.
    fn settle(&mut self, whole: Vec<String>, patches: &mut Vec<Patch>) {
        let names = |index| Names::top(&self.id, index).of(0);
        for index in (whole.len()..self.finished.len()).rev() {
            patches.push(Patch::Remove { id: names(index) });
        }
        let mut added = String::new();
        for (index, html) in whole.iter().enumerate() {
            match self.finished.get(index) {
                Some(shown) if shown == html => {}
                Some(_) => patches.push(Patch::Set {
                    id: names(index),
                    html: html.clone(),
                }),
                None => added.push_str(html),
            }
        }
        if !added.is_empty() {
            patches.push(Patch::Append {
                id: self.id.clone(),
                html: added,
            });
        }
        self.finished = whole;
    }

    fn step(&mut self, now: Instant, highlighter: &Highlighter, patches: &mut Vec<Patch>, is_final: bool) {
        self.is_behind = false;
        loop {
            if let Open::Code(code) = &mut self.open {
                let mut grown = String::new();
                let read = code.read(&self.text, is_final, &mut grown);
                if !grown.is_empty() {
                    let id = Names::every(&self.id, self.finished.len()).of(CODE);
                    patches.push(Patch::Append { id, html: grown });
                }
                match read {
                    Read::Open if !is_final => return,
                    Read::Open => self.close_code(self.text.len()),
                    Read::Closed(next) => self.close_code(next),
                }
                continue;
            }
            let tail = &self.text[self.open_at..];
            let tail = if is_final {
                tail
            } else {
                without_ambiguous_end(tail)
            };
            if tail.trim().is_empty() {
                return;
            }
            let is_paused = tail.len() > REREAD_FREE_BYTES
                && self
                    .read_at
                    .is_some_and(|at| now.saturating_duration_since(at) < REREAD_PAUSE);
            if is_paused && !is_final {
                self.is_behind = true;
                return;
            }
            self.read_at = Some(now);
            if !self.read_tail(tail.len(), now, highlighter, patches, is_final) {
                return;
            }
        }
    }

    /// Reads the tail; true when there is more to do because fenced code began.
    fn read_tail(
        &mut self,
        tail_len: usize,
        now: Instant,
        highlighter: &Highlighter,
        patches: &mut Vec<Patch>,
        is_final: bool,
    ) -> bool {
        let tail = self.text[self.open_at..self.open_at + tail_len].to_owned();
        let reading = if is_final {
            Reading::finished(highlighter)
        } else {
            Reading::open(highlighter)
        };
        let mut blocks = build::blocks(&tail, &self.definitions, &mut self.memo, &reading);
        let Some(last) = blocks.pop() else {
            // What looked like words became a definition, which is not shown.
            if let Open::Tree(_) = std::mem::replace(&mut self.open, Open::Nothing) {
                let id = Names::top(&self.id, self.finished.len()).of(0);
                patches.push(Patch::Remove { id });
            }
            return false;
        };
        for block in blocks {
            if !self.show(block.element, now, patches, true) {
                return false;
            }
            self.close_tree();
        }
        let start = self.open_at;
        if let Some((fence, after)) = fence_at(&tail, &last)
            && !is_final
        {
            if let Open::Tree(_) = self.open {
                // The fence was held back until its line was complete, so nothing of it is on the page.
                self.close_tree();
            }
            define(&tail[..last.range.start], &mut self.definitions);
            self.open_at = start + last.range.start;
            let code = OpenCode::new(fence, start + after, highlighter);
            let html = self.open_figure(&code);
            let id = self.id.clone();
            patches.push(Patch::Append { id, html });
            self.open = Open::Code(Box::new(code));
            return true;
        }
        define(&tail[..last.range.start], &mut self.definitions);
        self.open_at = start + last.range.start;
        if !self.show(last.element, now, patches, is_final) {
            self.is_behind = true;
        }
        if is_final {
            self.close_tree();
            self.open_at = self.text.len();
        }
        false
    }

    /// Shows a block as the open one; false when that has to wait.
    fn show(&mut self, element: Element, now: Instant, patches: &mut Vec<Patch>, is_final: bool) -> bool {
        let names = Names::every(&self.id, self.finished.len());
        match &mut self.open {
            Open::Tree(shown) => {
                let mut page = Growing {
                    names,
                    patches,
                    replaced_at: &mut self.replaced_at,
                    now,
                    is_final,
                };
                grow(shown, element, &mut page) == Outcome::Done
            }
            Open::Nothing | Open::Code(_) => {
                let html = element.html(&names);
                let id = self.id.clone();
                patches.push(Patch::Append { id, html });
                self.open = Open::Tree(element);
                true
            }
        }
    }

    fn close_tree(&mut self) {
        if let Open::Tree(tree) = std::mem::replace(&mut self.open, Open::Nothing) {
            let names = Names::top(&self.id, self.finished.len());
            self.finished.push(tree.html(&names));
        }
    }

    fn close_code(&mut self, next: usize) {
        if let Open::Code(code) = std::mem::replace(&mut self.open, Open::Nothing) {
            let markup: std::sync::Arc<str> = code.html.as_str().into();
            let mut figure = figure(&crate::text::clean(code.language()), Node::Markup(markup));
            figure.number_from(&mut 0);
            self.finished
                .push(figure.html(&Names::top(&self.id, self.finished.len())));
            self.open_at = next;
        }
    }

    fn open_figure(&self, code: &OpenCode) -> String {
        let markup: std::sync::Arc<str> = code.html.as_str().into();
        let mut figure = figure(&crate::text::clean(code.language()), Node::Markup(markup));
        figure.number_from(&mut 0);
        figure.html(&Names::every(&self.id, self.finished.len()))
    }
}

/// The number of the element that holds the lines of a top-level code block: figure 0, pre 1, code 2.
const CODE: usize = 2;

fn fence_at(tail: &str, block: &Block) -> Option<(Fence, usize)> {
    if block.element.tag != "figure" {
        return None;
    }
    // The block's range starts at the fence; its indentation stands before it.
    let start = tail[..block.range.start].rfind('\n').map_or(0, |at| at + 1);
    let rest = &tail[start..];
    let end = rest.find('\n')?;
    let fence = Fence::opening(&rest[..end])?;
    Some((fence, start + end + 1))
}

/// The text without a last line that may still become anything: only marks (`-`, `1.`, `##`, `|`), or the start of a
/// fence. Shown now it would flicker, and could end a list that goes on.
fn without_ambiguous_end(text: &str) -> &str {
    let start = text.rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].trim_start();
    let is_fence = line.starts_with("```") || line.starts_with("~~~");
    let is_marks = line
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"-+*_=#>`~|:.)[] \t\r".contains(&byte));
    if is_fence || is_marks {
        &text[..start]
    } else {
        text.trim_end_matches('\r')
    }
}
