//! How phrases on a page grow: text at the end, or the last piece anew.
//!
//! A paragraph with much structure would be sent again with each closed phrase. So once a phrase has closed, what
//! follows goes into a span of its own (a *chunk*), and only the last chunk is ever said again: the bytes sent stay
//! proportional to the text however long the paragraph gets.

use kit::Patch;

use super::{
    grow::{Growing, Outcome},
    tree::{Element, Node, push, write_all, write_chunk},
};

/// A place between or inside the new phrases.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    node: usize,
    /// Bytes of the text at `node` that are behind.
    byte: usize,
}

/// Makes what the page shows (`old`) into what it should show (`new`), piece by piece.
pub fn grow(old: &mut Element, new: &[Node], page: &mut Growing<'_>) -> Outcome {
    let mut place = Place::default();
    for segment in 0..=old.chunks.len() {
        let start = place;
        let shown = if segment == 0 {
            &old.children
        } else {
            &old.chunks[segment - 1]
        };
        if !consume(shown, new, &mut place) {
            return replace(old, segment, remainder(new, start), page);
        }
    }
    let added = remainder(new, place);
    if added.is_empty() {
        return Outcome::Done;
    }
    let names = page.names;
    let last = old.chunks.len();
    let (id, shown) = match last {
        0 => (names.of(old.number), &mut old.children),
        _ => (names.of_chunk(old.number, last - 1), &mut old.chunks[last - 1]),
    };
    if shown.is_empty() || matches!(shown.last(), Some(Node::Text(_))) {
        match &added[..] {
            [Node::Text(text)] => page.text(id, text),
            nodes => {
                let mut html = String::new();
                write_all(nodes, &mut html, &names);
                page.patches.push(Patch::Append { id, html });
            }
        }
        for node in added {
            push(shown, node);
        }
    } else {
        let mut html = String::new();
        write_chunk(&added, &mut html, &names, &names.of_chunk(old.number, last));
        let id = names.of(old.number);
        page.patches.push(Patch::Append { id, html });
        old.chunks.push(added);
    }
    Outcome::Done
}

/// Whether the page shows exactly these phrases.
pub fn is_shown_as(old: &Element, new: &[Node]) -> bool {
    let mut place = Place::default();
    consume(&old.children, new, &mut place)
        && old.chunks.iter().all(|chunk| consume(chunk, new, &mut place))
        && place.node >= new.len()
}

/// Says the piece `segment` again, with all that follows it in it.
fn replace(old: &mut Element, segment: usize, nodes: Vec<Node>, page: &mut Growing<'_>) -> Outcome {
    let names = page.names;
    let html = if segment == 0 {
        let mut fresh = old.clone();
        fresh.children.clone_from(&nodes);
        fresh.chunks.clear();
        fresh.html(&names)
    } else {
        let mut html = String::new();
        let id = names.of_chunk(old.number, segment - 1);
        write_chunk(&nodes, &mut html, &names, &id);
        html
    };
    if !page.may_replace(html.len()) {
        return Outcome::Deferred;
    }
    if segment == 0 {
        let id = names.of(old.number);
        page.patches.push(Patch::Set { id, html });
        old.children = nodes;
        old.chunks.clear();
        return Outcome::Done;
    }
    for later in segment..old.chunks.len() {
        let id = names.of_chunk(old.number, later);
        page.patches.push(Patch::Remove { id });
    }
    let id = names.of_chunk(old.number, segment - 1);
    page.patches.push(Patch::Set { id, html });
    old.chunks.truncate(segment);
    old.chunks[segment - 1] = nodes;
    Outcome::Done
}

/// Moves `place` past `shown`; false when the new phrases do not begin with it there.
fn consume(shown: &[Node], new: &[Node], place: &mut Place) -> bool {
    for node in shown {
        match (node, new.get(place.node)) {
            (Node::Text(text), Some(Node::Text(whole))) => {
                if !whole[place.byte..].starts_with(text.as_str()) {
                    return false;
                }
                place.byte += text.len();
                if place.byte == whole.len() {
                    *place = Place {
                        node: place.node + 1,
                        byte: 0,
                    };
                }
            }
            (node, Some(same)) if place.byte == 0 && node == same => place.node += 1,
            (_, Some(_) | None) => return false,
        }
    }
    true
}

fn remainder(new: &[Node], place: Place) -> Vec<Node> {
    let mut rest: Vec<Node> = new.get(place.node..).unwrap_or_default().to_vec();
    if place.byte > 0
        && let Some(Node::Text(text)) = rest.first_mut()
    {
        text.drain(..place.byte);
    }
    rest
}
