//! What to tell a page so that the open block becomes its newer self.

use std::time::{Duration, Instant};

use kit::Patch;

use super::{
    inline,
    tree::{Element, Growth, Names, Node},
};

/// Replacing less than this costs little and happens at once.
const REPLACE_FREE_BYTES: usize = 2 * 1024;
/// Larger pieces are said again at most this often.
const REPLACE_PAUSE: Duration = Duration::from_secs(1);

/// Whether the page shows everything now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It does.
    Done,
    /// A large piece has to be said again and was said a moment ago: try again soon.
    Deferred,
}

/// The page that is told.
pub struct Growing<'a> {
    pub names: Names<'a>,
    pub patches: &'a mut Vec<Patch>,
    /// When a large piece was last replaced.
    pub replaced_at: &'a mut Option<Instant>,
    pub now: Instant,
    /// The text is complete: nothing is deferred.
    pub is_final: bool,
}

impl Growing<'_> {
    /// Adds text to an element.
    pub fn text(&mut self, id: String, text: &str) {
        let text = text.to_owned();
        self.patches.push(Patch::AppendText { id, text });
    }

    /// Whether a piece of that many bytes may be said again now.
    pub fn may_replace(&mut self, bytes: usize) -> bool {
        if bytes <= REPLACE_FREE_BYTES || self.is_final {
            return true;
        }
        let is_due = self
            .replaced_at
            .is_none_or(|at| self.now.saturating_duration_since(at) >= REPLACE_PAUSE);
        if is_due {
            *self.replaced_at = Some(self.now);
        }
        is_due
    }
}

/// Makes `old`, the mirror of the page, into `new`, telling the page how.
pub fn grow(old: &mut Element, new: Element, page: &mut Growing<'_>) -> Outcome {
    if !is_same_element(old, &new) {
        return set(old, new, page);
    }
    match old.growth {
        Growth::Phrases => inline::grow(old, &new.children, page),
        Growth::Blocks => grow_blocks(old, new, page),
        Growth::Whole if *old == new => Outcome::Done,
        Growth::Whole => set(old, new, page),
    }
}

fn grow_blocks(old: &mut Element, new: Element, page: &mut Growing<'_>) -> Outcome {
    let Some(last) = old.children.len().checked_sub(1) else {
        return append(old, new.children, page);
    };
    let is_prefix = new.children.len() > last
        && old.children[..last]
            .iter()
            .zip(&new.children)
            .all(|(shown, wanted)| is_shown_as(shown, wanted));
    if !is_prefix {
        return set(old, new, page);
    }
    let mut rest = new.children.into_iter().skip(last);
    let (Some(shown), Some(wanted)) = (old.children.last_mut(), rest.next()) else {
        return Outcome::Done;
    };
    match (shown, wanted) {
        (Node::Element(shown), Node::Element(wanted)) if shown.growth != Growth::Whole => {
            if grow(shown, wanted, page) == Outcome::Deferred {
                return Outcome::Deferred;
            }
        }
        (shown, wanted) if *shown == wanted => {}
        (_, wanted) => {
            // Only a caption or a mark can change here, and then its parent is said again.
            let mut fresh = old.clone();
            fresh.children.pop();
            fresh.push(wanted);
            fresh.children.extend(rest);
            return set(old, fresh, page);
        }
    }
    append(old, rest.collect(), page)
}

fn append(old: &mut Element, added: Vec<Node>, page: &mut Growing<'_>) -> Outcome {
    if !added.is_empty() {
        let mut html = String::new();
        super::tree::write_all(&added, &mut html, &page.names);
        let id = page.names.of(old.number);
        page.patches.push(Patch::Append { id, html });
        old.children.extend(added);
    }
    Outcome::Done
}

fn set(old: &mut Element, new: Element, page: &mut Growing<'_>) -> Outcome {
    let html = new.html(&page.names);
    if !page.may_replace(html.len()) {
        return Outcome::Deferred;
    }
    let id = page.names.of(old.number);
    page.patches.push(Patch::Set { id, html });
    *old = new;
    Outcome::Done
}

fn is_same_element(old: &Element, new: &Element) -> bool {
    old.tag == new.tag && old.attributes == new.attributes && old.growth == new.growth
}

/// Whether the mirror of the page, chunks and all, says what the new tree says.
fn is_shown_as(shown: &Node, wanted: &Node) -> bool {
    match (shown, wanted) {
        (Node::Element(shown), Node::Element(wanted)) => {
            is_same_element(shown, wanted)
                && match shown.growth {
                    Growth::Phrases => inline::is_shown_as(shown, &wanted.children),
                    Growth::Blocks | Growth::Whole => {
                        shown.children.len() == wanted.children.len()
                            && shown
                                .children
                                .iter()
                                .zip(&wanted.children)
                                .all(|(shown, wanted)| is_shown_as(shown, wanted))
                    }
                }
        }
        (shown, wanted) => shown == wanted,
    }
}
