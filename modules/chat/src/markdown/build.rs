//! Parser events become trees of allowed elements.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    sync::Arc,
};

use pulldown_cmark::{Alignment, BrokenLink, CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd};

use super::{
    definitions::{Definitions, folded},
    link::Target,
    pieces::{element, figure, first_word, heading, is_phrase, name_image, place, visible, wrapped},
    tree::{DEPTH_MAX, Element, Growth, Node},
};
use crate::code::Highlighter;

/// Highlighted code that does not have to be made again, by language and content.
pub type Memo = HashMap<u64, Arc<str>>;

/// How the text is to be read.
pub struct Reading<'a> {
    highlighter: &'a Highlighter,
    /// The text goes on: code that reaches its end is left plain.
    is_open: bool,
}

impl<'a> Reading<'a> {
    /// The text is complete.
    pub fn finished(highlighter: &'a Highlighter) -> Self {
        Self {
            highlighter,
            is_open: false,
        }
    }

    /// The text goes on.
    pub fn open(highlighter: &'a Highlighter) -> Self {
        Self {
            highlighter,
            is_open: true,
        }
    }
}

/// A top-level block and where it stands in the text.
pub struct Block {
    pub range: Range<usize>,
    pub element: Element,
}

/// What the parser is asked to understand.
pub fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
}

/// The top-level blocks of `text`.
pub fn blocks(text: &str, known: &Definitions, memo: &mut Memo, reading: &Reading<'_>) -> Vec<Block> {
    let resolve = |link: BrokenLink<'_>| {
        let (to, title) = known.get(&folded(&link.reference))?;
        Some((CowStr::from(to.clone()), CowStr::from(title.clone())))
    };
    let parser = Parser::new_with_broken_link_callback(text, options(), Some(resolve));
    let mut builder = Builder {
        end: text.trim_end().len(),
        stack: Vec::new(),
        finished: Vec::new(),
        alignments: Vec::new(),
        cell: 0,
        skipped: 0,
        memo,
        reading,
    };
    for (event, range) in parser.into_offset_iter() {
        builder.take(event, range);
    }
    let mut blocks = builder.finished;
    for block in &mut blocks {
        block.element.number_from(&mut 0);
    }
    blocks
}

struct Builder<'a> {
    /// Where the text ends, blanks aside.
    end: usize,
    stack: Vec<Open>,
    finished: Vec<Block>,
    alignments: Vec<Alignment>,
    cell: usize,
    /// Elements left out because they are nested too deep.
    skipped: usize,
    memo: &'a mut Memo,
    reading: &'a Reading<'a>,
}

struct Open {
    element: Element,
    start: usize,
    /// Set in code blocks: the content is gathered first, then highlighted.
    code: Option<(String, String)>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag, range),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text, range),
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.phrase(element("code").holding(visible(&text).into_owned()), range);
            }
            Event::FootnoteReference(label) => {
                self.phrase(element("sup").holding(format!("[{}]", visible(&label))), range);
            }
            Event::SoftBreak => self.text("\n", range),
            Event::HardBreak => self.phrase(element("br"), range),
            Event::Rule => {
                let rule = Element::new("hr", Growth::Blocks);
                self.finish(rule, range);
            }
            Event::TaskListMarker(is_done) => {
                let mut mark = element("input").with("type", "checkbox").with("disabled", "");
                if is_done {
                    mark = mark.with("checked", "");
                }
                let words = if is_done { "Done" } else { "To do" };
                self.phrase(mark.with("aria-label", words), range);
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        if self.stack.len() >= DEPTH_MAX {
            self.skipped += 1;
            return;
        }
        if !is_phrase(&tag) {
            self.close_implied();
        }
        let mut code = None;
        let element = match tag {
            Tag::Paragraph | Tag::HtmlBlock => Element::new("p", Growth::Phrases),
            Tag::Heading { level, .. } => Element::new(heading(level), Growth::Phrases),
            Tag::BlockQuote(_) => Element::new("blockquote", Growth::Blocks),
            Tag::CodeBlock(kind) => {
                let language = match kind {
                    CodeBlockKind::Fenced(info) => visible(first_word(&info)).into_owned(),
                    CodeBlockKind::Indented => String::new(),
                };
                code = Some((language, String::new()));
                Element::new("figure", Growth::Blocks)
            }
            Tag::List(None) => Element::new("ul", Growth::Blocks),
            Tag::List(Some(first)) => {
                let list = Element::new("ol", Growth::Blocks);
                if first == 1 {
                    list
                } else {
                    list.with("start", first.to_string())
                }
            }
            Tag::Item => Element::new("li", Growth::Blocks),
            Tag::FootnoteDefinition(label) => Element::new("section", Growth::Blocks)
                .with("class", "footnote")
                .holding(element("sup").holding(format!("[{}]", visible(&label)))),
            Tag::Table(alignments) => {
                self.alignments = alignments;
                Element::new("table", Growth::Blocks)
            }
            Tag::TableHead => {
                self.cell = 0;
                Element::new("thead", Growth::Blocks)
            }
            Tag::TableRow => {
                self.cell = 0;
                Element::new("tr", Growth::Blocks)
            }
            Tag::TableCell => self.table_cell(),
            Tag::Emphasis => element("em"),
            Tag::Strong => element("strong"),
            Tag::Strikethrough => element("del"),
            Tag::Superscript => element("sup"),
            Tag::Link { dest_url, .. } => self.target(&dest_url).element(),
            Tag::Image { dest_url, .. } => self
                .target(&dest_url)
                .element()
                .with("data-image", "")
                .holding("Image: "),
            Tag::Subscript
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::MetadataBlock(_) => Element::new("p", Growth::Phrases),
        };
        if element.growth == Growth::Whole {
            self.imply_phrases(range.start);
        }
        self.stack.push(Open {
            element,
            start: range.start,
            code,
        });
    }

    /// A link inside a link leads nowhere of its own: a page has no such thing.
    fn target(&self, destination: &str) -> Target {
        if self.stack.iter().any(|open| open.element.tag == "a") {
            Target::Inert(destination.to_owned())
        } else {
            Target::of(destination)
        }
    }

    fn table_cell(&mut self) -> Element {
        let is_head = self.stack.iter().any(|open| open.element.tag == "thead");
        let cell = Element::new(if is_head { "th" } else { "td" }, Growth::Phrases);
        let alignment = self.alignments.get(self.cell);
        self.cell += 1;
        match alignment {
            Some(Alignment::Right) => cell.with("class", "right"),
            Some(Alignment::Center) => cell.with("class", "center"),
            Some(Alignment::Left | Alignment::None) | None => cell,
        }
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        if matches!(
            tag,
            TagEnd::Item | TagEnd::BlockQuote(_) | TagEnd::FootnoteDefinition
        ) {
            self.close_implied();
        }
        let Some(mut open) = self.stack.pop() else {
            return;
        };
        if let Some((language, content)) = open.code.take() {
            let reaches_end = range.end >= self.end;
            let content = content.strip_suffix('\n').unwrap_or(&content);
            open.element = if self.reading.is_open && reaches_end {
                figure(&language, Node::Text(content.to_owned()))
            } else {
                figure(&language, Node::Markup(self.highlighted(&language, content)))
            };
        }
        if open.element.tag == "a" || open.element.tag == "span" {
            name_image(&mut open.element);
        }
        self.finish(open.element, open.start..range.end);
    }

    /// Puts a complete element into its parent, or among the finished blocks.
    fn finish(&mut self, element: Element, range: Range<usize>) {
        if element.growth != Growth::Whole && element.tag != "span" {
            // Only a rule can end inside an implied span.
            self.close_implied();
        }
        match self.stack.last_mut() {
            Some(parent) => place(&mut parent.element, element),
            None => self.finished.push(Block {
                range,
                element: wrapped(element),
            }),
        }
    }

    fn phrase(&mut self, element: Element, range: Range<usize>) {
        self.imply_phrases(range.start);
        self.finish(element, range);
    }

    fn text(&mut self, text: &str, range: Range<usize>) {
        let text = visible(text);
        if let Some(Open {
            code: Some((_, content)),
            ..
        }) = self.stack.last_mut()
        {
            content.push_str(&text);
            return;
        }
        self.imply_phrases(range.start);
        match self.stack.last_mut() {
            Some(open) => open.element.push(Node::Text(text.into_owned())),
            None => self.finished.push(Block {
                range,
                element: Element::new("p", Growth::Phrases).holding(text.into_owned()),
            }),
        }
    }

    /// Words that stand directly in a list item or quote get a span of their own, so that an element holds either
    /// blocks or phrases.
    fn imply_phrases(&mut self, start: usize) {
        let is_needed = self
            .stack
            .last()
            .is_some_and(|open| open.element.growth == Growth::Blocks);
        if is_needed {
            self.stack.push(Open {
                element: Element::new("span", Growth::Phrases),
                start,
                code: None,
            });
        }
    }

    fn close_implied(&mut self) {
        let is_implied = self
            .stack
            .last()
            .is_some_and(|open| open.element.tag == "span" && open.element.growth == Growth::Phrases);
        if is_implied && let Some(open) = self.stack.pop() {
            self.finish(open.element, open.start..open.start);
        }
    }

    fn highlighted(&mut self, language: &str, content: &str) -> Arc<str> {
        let mut hasher = DefaultHasher::new();
        (language, content).hash(&mut hasher);
        let key = hasher.finish();
        if let Some(known) = self.memo.get(&key) {
            return known.clone();
        }
        let made: Arc<str> = self.reading.highlighter.whole(language, content).into();
        self.memo.insert(key, made.clone());
        made
    }
}
