//! A page as a browser would hold it: parses fragments, applies patches, and can be compared. For tests.

use std::rc::Rc;

use html5ever::{
    LocalName, QualName, local_name, ns, parse_fragment,
    serialize::{SerializeOpts, serialize},
    tendril::TendrilSink,
};
use kit::Patch;
use markup5ever_rcdom::{Handle, Node, NodeData, RcDom, SerializableHandle};

/// What may stand on a page made of a model's words.
const ELEMENTS: &[&str] = &[
    "a",
    "blockquote",
    "br",
    "button",
    "code",
    "del",
    "div",
    "em",
    "figcaption",
    "figure",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "input",
    "li",
    "ol",
    "p",
    "pre",
    "section",
    "span",
    "strong",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
];
const ATTRIBUTES: &[&str] = &[
    "aria-label",
    "checked",
    "class",
    "data-copy-from",
    "data-host",
    "data-image",
    "data-url",
    "disabled",
    "href",
    "id",
    "rel",
    "start",
    "tabindex",
    "target",
    "type",
];

pub struct PageModel {
    root: Handle,
}

fn fragment(html: &str) -> Vec<Handle> {
    let context = QualName::new(None, ns!(html), local_name!("template"));
    let dom = parse_fragment(RcDom::default(), Default::default(), context, vec![], false).one(html);
    let children = dom.document.children.borrow();
    // Taken out, because a tree that is dropped empties its nodes.
    std::mem::take(&mut *children[0].children.borrow_mut())
}

impl PageModel {
    pub fn new(html: &str) -> Self {
        let root = Node::new(NodeData::Document);
        for node in fragment(html) {
            adopt(&root, node, None);
        }
        Self { root }
    }

    pub fn apply(&mut self, patches: &[Patch]) {
        for patch in patches {
            match patch {
                Patch::Set { id, html } => {
                    let old = self.find(id).unwrap_or_else(|| panic!("no element {id} to set"));
                    let parent = parent_of(&old);
                    let nodes = fragment(html);
                    assert_eq!(nodes.len(), 1, "one element is set: {html}");
                    assert_eq!(id_of(&nodes[0]).as_deref(), Some(id.as_str()), "{html}");
                    for node in nodes {
                        adopt(&parent, node, Some(&old));
                    }
                    detach(&old);
                }
                Patch::Append { id, html } => {
                    let parent = self
                        .find(id)
                        .unwrap_or_else(|| panic!("no element {id} to append to"));
                    for node in fragment(html) {
                        adopt(&parent, node, None);
                    }
                }
                Patch::AppendText { id, text } => {
                    let parent = self
                        .find(id)
                        .unwrap_or_else(|| panic!("no element {id} for text"));
                    let node = Node::new(NodeData::Text {
                        contents: std::cell::RefCell::new(text.as_str().into()),
                    });
                    adopt(&parent, node, None);
                }
                Patch::Insert { id, before, html } => {
                    let parent = self
                        .find(id)
                        .unwrap_or_else(|| panic!("no element {id} to insert into"));
                    let before = before.as_ref().map(|before| {
                        self.find(before)
                            .unwrap_or_else(|| panic!("no element {before} to insert before"))
                    });
                    for node in fragment(html) {
                        // The same element again is the same element in another place.
                        if let Some(known) = id_of(&node).and_then(|id| self.find(&id)) {
                            detach(&known);
                        }
                        adopt(&parent, node, before.as_ref());
                    }
                }
                Patch::Remove { id } => {
                    if let Some(node) = self.find(id) {
                        detach(&node);
                    }
                }
            }
        }
    }

    pub fn html(&self) -> String {
        let mut bytes = Vec::new();
        let handle: SerializableHandle = self.root.clone().into();
        serialize(&mut bytes, &handle, SerializeOpts::default()).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// The page without what streaming leaves behind: ids, and spans that only hold later phrases.
    pub fn normalised(&self) -> String {
        let mut text = String::new();
        write(&self.root, &mut text);
        text
    }

    /// The words on the page.
    pub fn text(&self) -> String {
        let mut text = String::new();
        words(&self.root, &mut text);
        text
    }

    pub fn assert_allowed(&self) {
        walk(&self.root, &mut |node| {
            if let NodeData::Element { name, attrs, .. } = &node.data {
                assert!(ELEMENTS.contains(&&*name.local), "element {}", name.local);
                for attribute in attrs.borrow().iter() {
                    assert!(
                        ATTRIBUTES.contains(&&*attribute.name.local),
                        "attribute {}",
                        attribute.name.local
                    );
                    if &*attribute.name.local == "href" {
                        let value = &*attribute.value;
                        assert!(
                            ["http://", "https://", "mailto:"]
                                .iter()
                                .any(|scheme| value.starts_with(scheme)),
                            "address {value}"
                        );
                    }
                }
            }
        });
    }

    fn find(&self, id: &str) -> Option<Handle> {
        let mut found = None;
        walk(&self.root, &mut |node| {
            if id_of(node).as_deref() == Some(id) {
                assert!(found.is_none(), "two elements are called {id}");
                found = Some(node.clone());
            }
        });
        found
    }
}

fn walk(node: &Handle, look: &mut dyn FnMut(&Handle)) {
    look(node);
    for child in node.children.borrow().iter() {
        walk(child, look);
    }
}

fn attribute(node: &Handle, name: &str) -> Option<String> {
    let NodeData::Element { attrs, .. } = &node.data else {
        return None;
    };
    let name = LocalName::from(name);
    attrs
        .borrow()
        .iter()
        .find(|attribute| attribute.name.local == name)
        .map(|attribute| attribute.value.to_string())
}

fn id_of(node: &Handle) -> Option<String> {
    attribute(node, "id")
}

fn parent_of(node: &Handle) -> Handle {
    let weak = node.parent.take().unwrap();
    let parent = weak.upgrade().unwrap();
    node.parent.set(Some(weak));
    parent
}

fn detach(node: &Handle) {
    let parent = parent_of(node);
    parent
        .children
        .borrow_mut()
        .retain(|child| !Rc::ptr_eq(child, node));
    node.parent.set(None);
}

fn adopt(parent: &Handle, node: Handle, before: Option<&Handle>) {
    node.parent.set(Some(Rc::downgrade(parent)));
    let mut children = parent.children.borrow_mut();
    let at = before
        .and_then(|before| children.iter().position(|child| Rc::ptr_eq(child, before)))
        .unwrap_or(children.len());
    children.insert(at, node);
}

fn words(node: &Handle, text: &mut String) {
    if let NodeData::Text { contents } = &node.data {
        text.push_str(&contents.borrow());
    }
    for child in node.children.borrow().iter() {
        words(child, text);
    }
}

fn write(node: &Handle, text: &mut String) {
    match &node.data {
        NodeData::Text { contents } => text.push_str(&contents.borrow().replace('<', "&lt;")),
        NodeData::Element { name, .. } => {
            let kept: Vec<String> = ATTRIBUTES
                .iter()
                .filter(|attribute| **attribute != "id")
                .filter_map(|name| Some(format!(" {name}={:?}", attribute(node, name)?)))
                .collect();
            let is_chunk = &*name.local == "span" && kept.is_empty();
            if !is_chunk {
                text.push_str(&format!("<{}{}>", name.local, kept.concat()));
            }
            for child in node.children.borrow().iter() {
                write(child, text);
            }
            if !is_chunk {
                text.push_str(&format!("</{}>", name.local));
            }
        }
        NodeData::Document
        | NodeData::Doctype { .. }
        | NodeData::Comment { .. }
        | NodeData::ProcessingInstruction { .. } => {
            for child in node.children.borrow().iter() {
                write(child, text);
            }
        }
    }
}
