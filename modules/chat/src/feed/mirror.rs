//! A list of sessions on a page, and how it becomes a newer one.

use std::time::SystemTime;

use kit::Patch;

use crate::view::{self, Card};

/// What a page shows of the shelf, as grid or as list.
pub struct Mirror {
    shown: Option<Vec<Card>>,
    shape: Shape,
}

enum Shape {
    Cards,
    /// The session whose page this is.
    Rows(String),
}

impl Mirror {
    /// The grid.
    pub fn cards() -> Self {
        Self {
            shown: None,
            shape: Shape::Cards,
        }
    }

    /// The list, on the page of the session `current`.
    pub fn rows(current: &str) -> Self {
        Self {
            shown: None,
            shape: Shape::Rows(current.to_owned()),
        }
    }

    /// Tells the page what differs; all of it the first time.
    pub fn show(&mut self, wanted: Vec<Card>, home: &str, now: SystemTime, patches: &mut Vec<Patch>) {
        let wanted: Vec<Card> = match self.shape {
            Shape::Cards => wanted,
            Shape::Rows(_) => wanted.into_iter().filter(|card| !card.is_leaving).collect(),
        };
        // An empty list says so in words.
        let is_turned = |shown: &&Vec<Card>| shown.is_empty() == wanted.is_empty();
        let Some(shown) = self.shown.as_ref().filter(is_turned) else {
            patches.push(Patch::Set {
                id: self.container().to_owned(),
                html: match &self.shape {
                    Shape::Cards => view::cards(&wanted, home, now),
                    Shape::Rows(current) => view::list(&wanted, home, now, current),
                }
                .into_string(),
            });
            self.shown = Some(wanted);
            return;
        };
        if *shown == wanted {
            return;
        }
        for gone in shown
            .iter()
            .filter(|card| !wanted.iter().any(|kept| kept.id == card.id))
        {
            patches.push(Patch::Remove {
                id: self.element(gone),
            });
        }
        let is_kept = |card: &&Card| wanted.iter().any(|kept| kept.id == card.id);
        let mut order: Vec<&str> = shown
            .iter()
            .filter(is_kept)
            .map(|card| card.id.as_str())
            .collect();
        // From the end, so that what an element is put before is already in its place.
        for (index, card) in wanted.iter().enumerate().rev() {
            let next = wanted.get(index + 1);
            let old = shown.iter().find(|old| old.id == card.id);
            let at = order.iter().position(|id| *id == card.id);
            let is_placed =
                at.is_some_and(|at| order.get(at + 1).copied() == next.map(|next| next.id.as_str()));
            if is_placed {
                if old != Some(card) {
                    patches.push(Patch::Set {
                        id: self.element(card),
                        html: self.html(card, home, now),
                    });
                }
                continue;
            }
            if let Some(at) = at {
                order.remove(at);
            }
            let before = next.and_then(|next| order.iter().position(|id| *id == next.id));
            order.insert(before.unwrap_or(order.len()), &card.id);
            patches.push(Patch::Insert {
                id: self.container().to_owned(),
                before: next.map(|next| self.element(next)),
                html: self.html(card, home, now),
            });
        }
        self.shown = Some(wanted);
    }

    fn container(&self) -> &'static str {
        match self.shape {
            Shape::Cards => "cards",
            Shape::Rows(_) => "sessions",
        }
    }

    fn element(&self, card: &Card) -> String {
        match self.shape {
            Shape::Cards => view::card_id(&card.id),
            Shape::Rows(_) => view::row_id(&card.id),
        }
    }

    fn html(&self, card: &Card, home: &str, now: SystemTime) -> String {
        match &self.shape {
            Shape::Cards => view::card(card, home, now),
            Shape::Rows(current) => view::list_row(card, home, now, *current == card.id),
        }
        .into_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{page_model::PageModel, view::CardState};

    fn cards(ids: &[u8]) -> Vec<Card> {
        let mut seen = std::collections::BTreeSet::new();
        ids.iter()
            .filter(|id| seen.insert(**id % 12))
            .map(|id| Card {
                id: format!("ses_{}", id % 12),
                title: format!("Title {}", id / 12),
                directory: "/p".to_owned(),
                state: CardState::Idle,
                doing: None,
                words: String::new(),
                updated: SystemTime::UNIX_EPOCH,
                cost: 0.0,
                is_pinned: false,
                is_leaving: false,
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

        #[test]
        fn any_list_becomes_any_other(lists in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..15), 1..5)) {
            let now = SystemTime::UNIX_EPOCH;
            for mut mirror in [Mirror::cards(), Mirror::rows("ses_3")] {
                let mut page = PageModel::new("<div id=\"cards\"></div><div id=\"sessions\"></div>");
                for list in &lists {
                    let mut patches = Vec::new();
                    mirror.show(cards(list), "/h", now, &mut patches);
                    page.apply(&patches);
                    let mut fresh = PageModel::new("<div id=\"cards\"></div><div id=\"sessions\"></div>");
                    let mut whole = Vec::new();
                    Mirror { shown: None, shape: match &mirror.shape { Shape::Cards => Shape::Cards, Shape::Rows(id) => Shape::Rows(id.clone()) } }
                        .show(cards(list), "/h", now, &mut whole);
                    fresh.apply(&whole);
                    prop_assert_eq!(page.html(), fresh.html());
                }
            }
        }
    }
}
