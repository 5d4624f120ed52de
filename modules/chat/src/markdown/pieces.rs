//! The shapes elements are put together in.

use std::borrow::Cow;

use pulldown_cmark::{HeadingLevel, Tag};

use super::tree::{Element, Growth, Node};

pub fn element(tag: &'static str) -> Element {
    Element::new(tag, Growth::Whole)
}

pub fn is_phrase(tag: &Tag<'_>) -> bool {
    matches!(
        tag,
        Tag::Emphasis
            | Tag::Strong
            | Tag::Strikethrough
            | Tag::Superscript
            | Tag::Subscript
            | Tag::Link { .. }
            | Tag::Image { .. }
    )
}

/// A table row goes into the table's body, everything else straight into its parent.
pub fn place(parent: &mut Element, mut child: Element) {
    if parent.tag == "table" && child.tag == "tr" {
        let has_body = matches!(parent.children.last(), Some(Node::Element(last)) if last.tag == "tbody");
        if !has_body {
            parent.push(Element::new("tbody", Growth::Blocks).into());
        }
        if let Some(Node::Element(body)) = parent.children.last_mut() {
            body.push(child.into());
        }
        return;
    }
    if child.tag == "thead" {
        let mut row = Element::new("tr", Growth::Blocks);
        row.children = std::mem::take(&mut child.children);
        child.push(row.into());
    }
    parent.push(wrapped(child).into());
}

/// Tables scroll in a frame of their own.
pub fn wrapped(element: Element) -> Element {
    if element.tag == "table" {
        Element::new("div", Growth::Blocks)
            .with("class", "table")
            .holding(element)
    } else {
        element
    }
}

/// A picture is a link that says what it would show and from where.
pub fn name_image(element: &mut Element) {
    if !element.attributes.iter().any(|(name, _)| *name == "data-image") {
        return;
    }
    let shown = element
        .attributes
        .iter()
        .find(|(name, _)| matches!(*name, "href" | "data-url"));
    if let Some((_, address)) = shown {
        let address = address.clone();
        element.push(Node::Text(format!(" ({})", visible(&address))));
    }
}

/// A code block: language, copy button, content.
pub fn figure(language: &str, content: Node) -> Element {
    let caption = element("figcaption")
        .holding(element("span").holding(if language.is_empty() { "text" } else { language }))
        .holding(
            element("button")
                .with("type", "button")
                .with("data-copy-from", "code")
                .holding("Copy"),
        );
    Element::new("figure", Growth::Blocks)
        .with("class", "code")
        .holding(caption)
        .holding(
            Element::new("pre", Growth::Blocks)
                .with("tabindex", "0")
                .holding(Element::new("code", Growth::Phrases).holding(content)),
        )
}

pub fn visible(text: &str) -> Cow<'_, str> {
    crate::text::clean(text)
}

pub fn first_word(info: &str) -> &str {
    info.split([' ', ',', '{', '\t']).next().unwrap_or_default()
}

/// The page has its own first two levels.
pub fn heading(level: HeadingLevel) -> &'static str {
    match level {
        HeadingLevel::H1 => "h3",
        HeadingLevel::H2 => "h4",
        HeadingLevel::H3 => "h5",
        HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => "h6",
    }
}
