//! A session at a glance.

use std::time::SystemTime;

use maud::{Markup, html};
use opencode::wire::Session;
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

impl Card {
    /// The card of a session in which nothing goes on.
    pub fn at_rest(session: &Session) -> Self {
        let title = if session.is_unnamed() {
            "New session"
        } else {
            &session.title
        };
        Self {
            id: session.id.clone(),
            title: title.to_owned(),
            directory: session.directory.clone(),
            state: CardState::Idle,
            doing: None,
            words: String::new(),
            updated: session.time.updated.time(),
            cost: session.cost,
            is_pinned: false,
            is_leaving: false,
        }
    }
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
    let mark = (card.state != CardState::Idle).then(|| card.state.mark());
    html! {
        li id=(row_id(&card.id)) data-state=(card.state.as_str()) data-find=(words_of(card)) {
            (row_link(card, home, now, mark, is_current))
        }
    }
}

/// What a row is found by.
pub fn words_of(card: &Card) -> String {
    format!("{} {}", card.title, card.directory).to_lowercase()
}

/// What a row says; with nothing to `mark`, where the session works.
pub fn row_link(card: &Card, home: &str, now: SystemTime, mark: Option<Markup>, is_current: bool) -> Markup {
    let place = Place { directory: "", home };
    html! {
        a href=(format!("/chat/{}", card.id)) aria-current=[is_current.then_some("page")] {
            span.row-title { @if card.is_pinned { (icon("pin")) } (clean(&card.title)) }
            span.row-meta {
                @match mark {
                    Some(mark) => { (mark) }
                    None => { span { (clean(&place.below_home(&card.directory))) } }
                }
                (web::time::ago_short(card.updated, now))
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
