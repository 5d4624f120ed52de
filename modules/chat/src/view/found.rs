//! What a search found.

use std::time::SystemTime;

use maud::{Markup, html};
use web::{
    icon,
    parts::{Tone, mark},
};

use super::card::{Card, list_row, row_id, row_link, words_of};

/// Sessions that were searched for.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    /// Those in use.
    pub current: Vec<Card>,
    /// Those that were put away.
    pub archived: Vec<Card>,
    /// There are more than are listed.
    pub is_cut: bool,
    /// Why more may be there than was searched.
    pub lack: Option<Lack>,
}

/// Why a search is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// The server could not be asked.
    Refused,
    /// It did not answer in time.
    Slow,
}

/// The list, and what is to be known about it. Without `words` it is the whole archive.
pub fn found(words: &str, found: &Found, home: &str, now: SystemTime) -> Markup {
    html! {
        ul #sessions.session-list {
            @for card in &found.current { (list_row(card, home, now, false)) }
            @for card in &found.archived { (archived_row(card, home, now)) }
        }
        @if let Some(lack) = found.lack {
            p.help {
                @match lack {
                    Lack::Refused => "Only the latest sessions were searched, because opencode cannot be asked now. Search again when it runs.",
                    Lack::Slow => "Only some sessions were searched, because opencode takes too long to answer. Search again in a moment.",
                }
            }
        } @else if found.current.is_empty() && found.archived.is_empty() {
            p.nothing-found {
                @if words.is_empty() { "Nothing is archived." }
                @else { "There is no such session. Titles are searched, and of the latest sessions the folders too." }
            }
        }
        @if found.is_cut {
            p.help { "There are more than these. Write more of the title to find others." }
        }
    }
}

fn archived_row(card: &Card, home: &str, now: SystemTime) -> Markup {
    let archived = mark(Tone::Quiet, "Archived");
    html! {
        li.archived id=(row_id(&card.id)) data-state="archived" data-find=(words_of(card)) {
            (row_link(card, home, now, Some(archived), false))
            form method="post" action=(format!("/chat/{}/unarchive", card.id)) data-inline {
                button.button.quiet type="submit" aria-label=(format!("Bring back {}", card.title)) {
                    (icon("undo")) "Bring back"
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use opencode::wire::Session;

    use super::*;

    fn shown(wanted: &Found) -> String {
        found("shop", wanted, "/home/ann", SystemTime::UNIX_EPOCH).into_string()
    }

    #[test]
    fn what_was_put_away_says_so_and_can_be_had_back() {
        let card = Card::at_rest(&Session {
            id: "ses_1".to_owned(),
            title: "<b>Old</b>".to_owned(),
            ..Session::default()
        });
        let html = shown(&Found {
            archived: vec![card],
            ..Found::default()
        });

        assert!(html.contains("Archived") && html.contains(r#"action="/chat/ses_1/unarchive""#));
        assert!(!html.contains("<b>Old") && !html.contains("no such session"));
    }

    #[test]
    fn an_empty_archive_says_so() {
        let empty = found("", &Found::default(), "/home/ann", SystemTime::UNIX_EPOCH).into_string();

        assert!(empty.contains("Nothing is archived") && !empty.contains("no such session"));
    }

    #[test]
    fn a_search_that_could_not_be_whole_says_so() {
        let nothing = shown(&Found::default());
        let lacking = |lack| {
            shown(&Found {
                lack: Some(lack),
                ..Found::default()
            })
        };
        let (partial, slow) = (lacking(Lack::Refused), lacking(Lack::Slow));
        let cut = shown(&Found {
            is_cut: true,
            ..Found::default()
        });

        assert!(nothing.contains("no such session"));
        assert!(partial.contains("Only the latest sessions") && !partial.contains("no such session"));
        assert!(slow.contains("takes too long") && !slow.contains("no such session"));
        assert!(cut.contains("There are more"));
    }
}
