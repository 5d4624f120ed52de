//! A model's Markdown as safe HTML, whole or while it is still being written.
//!
//! CommonMark with tables, strikethrough, task lists and footnotes is parsed into a tree of our own ([`tree`]), which
//! can express the allowed elements and nothing else: raw HTML stays text, links go to http, https and mailto only,
//! images are never loaded but shown as links. [`render`] gives a finished text; [`Document`] follows a growing one
//! and tells a page, in patches, what to add: finished blocks are said once, the open one grows where it grows.
//!
//! Never trusts its input: nesting is bounded, work is linear in the text, and the trees are small enough to recurse.

mod build;
mod definitions;
mod document;
mod fence;
mod grow;
mod inline;
mod link;
mod pieces;
mod tree;

#[cfg(test)]
mod tests;

pub use document::Document;

use crate::code::Highlighter;
use build::{Memo, Reading};
use definitions::Definitions;

/// The whole of a text that will not change any more.
pub fn render(text: &str, id: &str, highlighter: &Highlighter) -> String {
    let text = crate::text::clean(text);
    let mut memo = Memo::default();
    let reading = Reading::finished(highlighter);
    let mut html = String::with_capacity(text.len() * 2);
    let blocks = build::blocks(&text, &Definitions::default(), &mut memo, &reading);
    for (index, block) in blocks.into_iter().enumerate() {
        block.element.write(&mut html, &tree::Names::top(id, index));
    }
    html
}
