//! The elements a model's words may become, and how they are written.

use std::sync::Arc;

use crate::text::{escape_attribute_into, escape_into};

/// Deeper elements are left out and their content stays where they would have been: enough for any real text, small
/// enough to recurse on any stack.
pub const DEPTH_MAX: usize = 24;

/// How an element may grow while its text is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// Holds blocks: new ones are added at its end.
    Blocks,
    /// Holds phrases: text is added at its end.
    Phrases,
    /// Is said whole or not at all.
    Whole,
}

/// An allowed element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub tag: &'static str,
    pub attributes: Vec<(&'static str, String)>,
    pub children: Vec<Node>,
    pub growth: Growth,
    /// Place in the order of the block's growing elements; names it on the page while the block is open.
    pub number: usize,
    /// Further phrases a page was given after the children, each in a span of its own. Only in trees that mirror a page.
    pub chunks: Vec<Vec<Node>>,
}

/// What elements hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Plain text.
    Text(String),
    /// An element.
    Element(Element),
    /// HTML of the highlighter.
    Markup(Arc<str>),
}

/// How elements are named when written.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    document: &'a str,
    block: usize,
    every: bool,
}

impl<'a> Names<'a> {
    /// Only the block itself carries an id: it is finished.
    pub fn top(document: &'a str, block: usize) -> Self {
        Self {
            document,
            block,
            every: false,
        }
    }

    /// Every element that may grow carries an id.
    pub fn every(document: &'a str, block: usize) -> Self {
        Self {
            document,
            block,
            every: true,
        }
    }

    /// The id of a block's element.
    pub fn of(&self, number: usize) -> String {
        if number == 0 {
            format!("{}-{}", self.document, self.block)
        } else {
            format!("{}-{}.{number}", self.document, self.block)
        }
    }

    /// The id of an element's chunk.
    pub fn of_chunk(&self, number: usize, chunk: usize) -> String {
        format!("{}-{}.{number}.{chunk}", self.document, self.block)
    }
}

impl Element {
    /// An element without attributes.
    pub fn new(tag: &'static str, growth: Growth) -> Self {
        Self {
            tag,
            attributes: Vec::new(),
            children: Vec::new(),
            growth,
            number: 0,
            chunks: Vec::new(),
        }
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// The same with one more child.
    #[must_use]
    pub fn holding(mut self, child: impl Into<Node>) -> Self {
        self.push(child.into());
        self
    }

    /// Adds a child; neighbouring texts become one.
    pub fn push(&mut self, child: Node) {
        push(&mut self.children, child);
    }

    /// Numbers the growing elements in the order of their start.
    pub fn number_from(&mut self, next: &mut usize) {
        if self.growth != Growth::Whole {
            self.number = *next;
            *next += 1;
            for child in &mut self.children {
                if let Node::Element(element) = child {
                    element.number_from(next);
                }
            }
        }
    }

    /// Writes the element.
    pub fn write(&self, html: &mut String, names: &Names<'_>) {
        html.push('<');
        html.push_str(self.tag);
        if self.growth != Growth::Whole && (names.every || self.number == 0) {
            html.push_str(" id=\"");
            escape_attribute_into(html, &names.of(self.number));
            html.push('"');
        }
        for (name, value) in &self.attributes {
            html.push(' ');
            html.push_str(name);
            html.push_str("=\"");
            escape_attribute_into(html, value);
            html.push('"');
        }
        html.push('>');
        if matches!(self.tag, "br" | "hr" | "input") {
            return;
        }
        write_all(&self.children, html, names);
        for (index, chunk) in self.chunks.iter().enumerate() {
            if names.every {
                write_chunk(chunk, html, names, &names.of_chunk(self.number, index));
            } else {
                write_all(chunk, html, names);
            }
        }
        html.push_str("</");
        html.push_str(self.tag);
        html.push('>');
    }

    /// The element as a text of its own.
    pub fn html(&self, names: &Names<'_>) -> String {
        let mut html = String::new();
        self.write(&mut html, names);
        html
    }
}

/// Writes nodes one after another.
pub fn write_all(nodes: &[Node], html: &mut String, names: &Names<'_>) {
    for node in nodes {
        match node {
            Node::Text(text) => escape_into(html, text),
            Node::Element(element) => element.write(html, names),
            Node::Markup(markup) => html.push_str(markup),
        }
    }
}

/// Writes nodes in a span of their own.
pub fn write_chunk(nodes: &[Node], html: &mut String, names: &Names<'_>, id: &str) {
    html.push_str("<span id=\"");
    escape_attribute_into(html, id);
    html.push_str("\">");
    write_all(nodes, html, names);
    html.push_str("</span>");
}

/// Adds a node; neighbouring texts become one, empty ones are dropped.
pub fn push(nodes: &mut Vec<Node>, node: Node) {
    match (nodes.last_mut(), node) {
        (_, Node::Text(text)) if text.is_empty() => {}
        (Some(Node::Text(last)), Node::Text(text)) => last.push_str(&text),
        (_, node) => nodes.push(node),
    }
}

impl From<Element> for Node {
    fn from(element: Element) -> Self {
        Self::Element(element)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_attribute() {
        // Names come from ids of messages' parts, which whoever speaks to the server can choose.
        let mut element = Element::new("p", Growth::Phrases).holding("said");
        element.chunks.push(vec!["more".into()]);

        let html = element.html(&Names::every("prt_z\"><h1 class=\"inj\">INJECTED<i x=\"", 0));

        assert!(!html.contains("<h1") && !html.contains("<i "), "{html}");
        assert_eq!(html.matches("id=\"prt_z&quot;").count(), 2, "{html}");
    }
}
