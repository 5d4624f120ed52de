//! A session at a glance.

use std::time::SystemTime;

use maud::{Markup, html};
use web::{
    icon,
    parts::{Tone, empty, mark},
};

use super::{Place, message};
use crate::text::{clean, shortened};

/// Characters of last words on a card.
const WORDS_CHARS_MAX: usize = 160;

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CardState {
    /// A permission or question is open.
    Waiting,
    /// A turn is under way.
    Working,
    /// The last turn failed.
    Failed,
    /// The server died during the last turn.
    Cut,
    /// Nothing is going on.
    Idle,
}

impl CardState {
    fn mark(self) -> Markup {
        match self {
            Self::Waiting => mark(Tone::Warn, "Waiting for you"),
            Self::Working => mark(Tone::Busy, "Working"),
            Self::Failed => mark(Tone::Bad, "Failed"),
            Self::Cut => mark(Tone::Bad, "Cut off"),
            Self::Idle => mark(Tone::Quiet, "Idle"),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Working => "working",
            Self::Failed => "failed",
            Self::Cut => "cut",
            Self::Idle => "idle",
        }
    }
}

/// What a card or a row of the list shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    pub id: String,
    pub title: String,
    pub directory: String,
    pub state: CardState,
    /// What is being done now, or what is waited for.
    pub doing: Option<String>,
    /// The last words.
    pub words: String,
    pub updated: SystemTime,
    pub cost: f64,
    pub is_pinned: bool,
    /// Deleted a moment ago, and can still be had back.
    pub is_leaving: bool,
}

/// The id of a card's element.
pub fn card_id(id: &str) -> String {
    format!("card-{id}")
}

/// The id of a list row's element.
pub fn row_id(id: &str) -> String {
    format!("row-{id}")
}

/// One card.
pub fn card(card: &Card, home: &str, now: SystemTime) -> Markup {
    if card.is_leaving {
        return leaving(card);
    }
    let place = Place { directory: "", home };
    let words = card.doing.as_deref().unwrap_or(&card.words);
    html! {
        article.session-card id=(card_id(&card.id)) data-state=(card.state.as_str()) {
            h3 { a href=(format!("/chat/{}", card.id)) { (clean(&card.title)) } }
            p.session-where {
                @if card.is_pinned { (icon("pin")) span.unseen { "Pinned. " } }
                span { (clean(&place.below_home(&card.directory))) }
            }
            p.session-words { (clean(&shortened(words, WORDS_CHARS_MAX))) }
            p.session-state {
                (card.state.mark())
                span.session-figures {
                    @if card.cost > 0.0 { span { (message::cost(card.cost)) } }
                    (web::time::ago_short(card.updated, now))
                }
            }
        }
    }
}

fn leaving(card: &Card) -> Markup {
    html! {
        article.session-card.leaving id=(card_id(&card.id)) data-state="idle" {
            p { "“" (clean(&card.title)) "” is being deleted." }
            form method="post" action=(format!("/chat/{}/undelete", card.id)) data-inline {
                button.button type="submit" { (icon("undo")) "Undo" }
            }
        }
    }
}

/// The grid.
pub fn cards(all: &[Card], home: &str, now: SystemTime) -> Markup {
    html! {
        div #cards {
            @for one in all { (card(one, home, now)) }
            @if all.is_empty() {
                (empty(
                    "chat",
                    "No sessions yet",
                    "Say above what you want done, and in which folder. Everything the agent does will be here.",
                    None,
                ))
            }
        }
    }
}

/// One row of the list.
pub fn list_row(card: &Card, home: &str, now: SystemTime, is_current: bool) -> Markup {
    let place = Place { directory: "", home };
    html! {
        li id=(row_id(&card.id)) data-state=(card.state.as_str()) data-find=(format!("{} {}", card.title, card.directory).to_lowercase()) {
            a href=(format!("/chat/{}", card.id)) aria-current=[is_current.then_some("page")] {
                span.row-title { @if card.is_pinned { (icon("pin")) } (clean(&card.title)) }
                span.row-meta {
                    @match card.state {
                        CardState::Idle => { span { (clean(&place.below_home(&card.directory))) } }
                        _ => { (card.state.mark()) }
                    }
                    (web::time::ago_short(card.updated, now))
                }
            }
        }
    }
}

/// The list. `current` is the session whose page this is.
pub fn list(all: &[Card], home: &str, now: SystemTime, current: &str) -> Markup {
    html! {
        ul #sessions.session-list {
            @for card in all.iter().filter(|card| !card.is_leaving) { (list_row(card, home, now, card.id == current)) }
        }
    }
}
