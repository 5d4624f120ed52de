//! What was told to pages, so that each can be told what it has missed.

use std::collections::{HashMap, VecDeque};

use kit::Patch;

/// Patches kept; a page that missed more is told everything anew.
const PATCHES_MAX: usize = 8192;
/// Bytes of HTML and text kept.
const BYTES_MAX: usize = 2 * 1024 * 1024;

/// Where a page stands: which run of the journal, and how many patches of it are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Tells journals apart: ids of elements mean nothing in another one.
    pub epoch: u64,
    /// Patches applied.
    pub revision: u64,
}

impl Cursor {
    /// E.g. `"5f.12"`.
    pub fn to_text(self) -> String {
        format!("{:x}.{:x}", self.epoch, self.revision)
    }

    /// Reads what [`to_text`](Self::to_text) wrote; anything else is nowhere.
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, revision) = text.split_once('.')?;
        Some(Self {
            epoch: u64::from_str_radix(epoch, 16).ok()?,
            revision: u64::from_str_radix(revision, 16).ok()?,
        })
    }
}

/// The patches of one transcript, newest last, bounded.
#[derive(Debug)]
pub struct Journal {
    epoch: u64,
    /// Revision before the oldest patch kept.
    base: u64,
    patches: VecDeque<Patch>,
    bytes: usize,
}

impl Journal {
    /// An empty journal; `epoch` is a number no earlier one had.
    pub fn new(epoch: u64) -> Self {
        Self {
            epoch,
            base: 0,
            patches: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Where a page stands that shows everything.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            epoch: self.epoch,
            revision: self.base + self.patches.len() as u64,
        }
    }

    /// Writes down what pages are told.
    pub fn record(&mut self, patches: Vec<Patch>) {
        for patch in patches {
            self.bytes += weight(&patch);
            self.patches.push_back(patch);
        }
        while self.patches.len() > PATCHES_MAX || self.bytes > BYTES_MAX {
            let Some(gone) = self.patches.pop_front() else {
                break;
            };
            self.bytes -= weight(&gone);
            self.base += 1;
        }
    }

    /// What a page at `cursor` has missed, joined where that is the same; `None` when it has to be told everything.
    pub fn since(&self, cursor: Cursor) -> Option<Vec<Patch>> {
        if cursor.epoch != self.epoch || cursor.revision < self.base {
            return None;
        }
        let known = usize::try_from(cursor.revision - self.base).ok()?;
        if known > self.patches.len() {
            return None;
        }
        Some(joined(self.patches.iter().skip(known)))
    }
}

/// Text for one element in several pieces becomes one, as long as nothing else was told in between.
fn joined<'a>(patches: impl Iterator<Item = &'a Patch>) -> Vec<Patch> {
    let mut told: Vec<Patch> = Vec::new();
    let mut texts: HashMap<String, usize> = HashMap::new();
    for patch in patches {
        let Patch::AppendText { id, text } = patch else {
            texts.clear();
            if let (
                Patch::Append { id, html },
                Some(Patch::Append {
                    id: last,
                    html: whole,
                }),
            ) = (patch, told.last_mut())
                && id == last
            {
                whole.push_str(html);
                continue;
            }
            told.push(patch.clone());
            continue;
        };
        match texts.get(id).and_then(|at| told.get_mut(*at)) {
            Some(Patch::AppendText { text: whole, .. }) => whole.push_str(text),
            Some(_) | None => {
                texts.insert(id.clone(), told.len());
                told.push(patch.clone());
            }
        }
    }
    told
}

fn weight(patch: &Patch) -> usize {
    match patch {
        Patch::Set { html, .. } | Patch::Append { html, .. } | Patch::Insert { html, .. } => html.len(),
        Patch::AppendText { text, .. } => text.len(),
        Patch::Remove { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &str, text: &str) -> Patch {
        Patch::AppendText {
            id: id.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_page_is_told_what_it_missed_and_no_more() {
        let mut journal = Journal::new(7);
        let start = journal.cursor();
        journal.record(vec![text("a", "1"), text("b", "2")]);
        let middle = journal.cursor();
        journal.record(vec![
            text("a", "3"),
            Patch::Remove { id: "b".to_owned() },
            text("a", "4"),
        ]);

        assert_eq!(
            journal.since(start).unwrap(),
            [
                text("a", "13"),
                text("b", "2"),
                Patch::Remove { id: "b".to_owned() },
                text("a", "4")
            ]
        );
        assert_eq!(journal.since(middle).unwrap().len(), 3);
        assert_eq!(journal.since(journal.cursor()), Some(vec![]));
    }

    #[test]
    fn a_page_from_elsewhere_or_too_far_behind_is_told_everything() {
        let mut journal = Journal::new(7);
        let start = journal.cursor();
        for _ in 0..=PATCHES_MAX {
            journal.record(vec![text("a", "x")]);
        }

        assert_eq!(journal.since(start), None);
        assert_eq!(
            journal.since(Cursor {
                epoch: 8,
                ..journal.cursor()
            }),
            None
        );
        assert_eq!(
            journal.since(Cursor {
                epoch: 7,
                revision: u64::MAX
            }),
            None
        );
        assert_eq!(Cursor::parse(&journal.cursor().to_text()), Some(journal.cursor()));
        assert_eq!(Cursor::parse("x"), None);
    }
}
