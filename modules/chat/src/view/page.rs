//! The two pages: all sessions, and one.

use std::time::SystemTime;

use maud::{Markup, PreEscaped, html};
use opencode::wire::{Failure, Session, SessionStatus};
use web::{
    icon,
    parts::{Tone, words},
};

use super::{Asks, Card, CardState, Composer, Found, Place, asks, cards, composer, found, list, message};
use crate::text::{clean, shortened};

/// The main page.
pub struct Home<'a> {
    pub composer: Composer<'a>,
    pub outage: Option<Outage>,
    pub below: Below<'a>,
    pub now: SystemTime,
}

/// What stands below the composer.
pub enum Below<'a> {
    /// The cards, and a list of all other sessions.
    Recent { cards: &'a [Card], rest: &'a [Card] },
    /// What was searched for; without words, what was put away.
    Found { words: &'a str, found: &'a Found },
}

/// Composer, cards, list.
pub fn home(home: &Home<'_>) -> Markup {
    html! {
        div.home {
            h1.unseen { "Sessions" }
            (outage(home.outage.as_ref()))
            section.compose-new aria-label="New session" { (composer(&home.composer)) }
            @match &home.below {
                Below::Recent { cards: recent, rest } => {
                    section aria-labelledby="recent" {
                        h2 #recent.unseen { "Recent sessions" }
                        (cards(recent, home.composer.home, home.now))
                    }
                    section.all-sessions aria-labelledby="all" {
                        h2 #all { "Earlier sessions" }
                        (search_form(""))
                        (list(rest, home.composer.home, home.now, ""))
                        p { a href="/chat?archived=true" { "Archived sessions" } }
                    }
                }
                Below::Found { words, found: sessions } => {
                    section.all-sessions aria-labelledby="all" data-searched {
                        h2 #all { @if words.is_empty() { "Archived sessions" } @else { "Sessions found" } }
                        (search_form(words))
                        (found(words, sessions, home.composer.home, home.now))
                        p { a href="/" { "All sessions" } }
                    }
                }
            }
        }
    }
}

fn search_form(search: &str) -> Markup {
    html! {
        form.search method="get" action="/chat" role="search" {
            label { (icon("search")) span.unseen { "Search sessions" }
                input #find type="search" name="q" value=(search) placeholder="Search, Enter for all" data-filter="sessions"
                    data-key="/" data-key-label="Search sessions" autocomplete="off";
            }
            p #sessions-none.help hidden { "None of these. Enter searches all sessions, archived ones as well." }
        }
    }
}

/// One conversation.
pub struct Talk<'a> {
    pub session: &'a Session,
    pub place: Place<'a>,
    pub status: &'a SessionStatus,
    pub failure: Option<&'a Failure>,
    pub is_cut: bool,
    pub is_pinned: bool,
    /// The turns as they are on every page.
    pub turns: &'a str,
    pub has_older: bool,
    pub asks: Asks<'a>,
    pub composer: Composer<'a>,
    pub outage: Option<Outage>,
    pub all: &'a [Card],
    pub now: SystemTime,
}

/// List, conversation, composer.
pub fn talk(talk: &Talk<'_>) -> Markup {
    html! {
        div.talk {
            aside.side aria-label="Sessions" {
                a.button href="/" data-key="n" data-key-label="New session" { (icon("plus")) "New session" }
                (search_form(""))
                (list(talk.all, talk.place.home, talk.now, &talk.session.id))
            }
            div.conversation {
                (top(talk))
                div.words-log #log data-stick tabindex="0" role="region" aria-label="Conversation" {
                    (earlier(&talk.session.id, talk.has_older))
                    div #turns { (PreEscaped(talk.turns)) }
                }
                button #log-below.pill.below type="button" data-to-end="log" hidden { (icon("down")) "New below" }
                div.foot-area {
                    (asks(&talk.asks))
                    (foot(&talk.session.id, talk.status, talk.failure, Pause::of(&talk.asks, talk.is_cut)))
                    (outage(talk.outage.as_ref()))
                    (composer(&talk.composer))
                }
            }
        }
    }
}

/// The way to older messages.
pub fn earlier(id: &str, has_older: bool) -> Markup {
    html! {
        div #earlier {
            @if has_older {
                form method="post" action=(format!("/chat/{id}/earlier")) data-inline {
                    button.button.quiet type="submit" { "Show earlier messages" }
                }
            }
        }
    }
}

fn top(talk: &Talk<'_>) -> Markup {
    let id = &talk.session.id;
    html! {
        header.talk-top {
            a.back.button.quiet href="/" data-escape aria-label="All sessions" { (icon("back")) }
            (head(talk.session, &talk.place))
            button.button.quiet type="button" popovertarget="session-menu" aria-label="Session menu" { (icon("more")) }
            div #session-menu popover {
                form method="post" action=(format!("/chat/{id}/rename")) data-inline {
                    label.field { span { "Title" } input type="text" name="title" value=(talk.session.title) maxlength="200" required autocomplete="off"; }
                    button.button type="submit" { (icon("edit")) "Rename" }
                }
                form method="post" action=(format!("/chat/{id}/pin")) data-inline {
                    input type="hidden" name="on" value=(if talk.is_pinned { "false" } else { "true" });
                    button.button.quiet type="submit" { (icon("pin")) @if talk.is_pinned { "Unpin" } @else { "Pin" } }
                }
                form method="post" action=(format!("/chat/{id}/compact")) data-inline {
                    button.button.quiet type="submit" { (icon("refresh")) "Summarise to save context" }
                }
                @if talk.session.time.archived.is_some() {
                    form method="post" action=(format!("/chat/{id}/unarchive")) data-inline {
                        button.button.quiet type="submit" { (icon("undo")) "Bring back" }
                    }
                } @else {
                    form method="post" action=(format!("/chat/{id}/archive")) data-inline {
                        button.button.quiet type="submit" { (icon("archive")) "Archive" }
                    }
                }
                form method="post" action=(format!("/chat/{id}/delete")) data-inline {
                    button.button.quiet.danger type="submit" { (icon("trash")) "Delete" }
                }
            }
        }
    }
}

/// Title, folder, model, use of the context.
pub fn head(session: &Session, place: &Place<'_>) -> Markup {
    let title = if session.is_unnamed() {
        "New session"
    } else {
        &session.title
    };
    let mut facts = Vec::new();
    if session.time.archived.is_some() {
        facts.push("Archived".to_owned());
    }
    facts.push(clean(&place.below_home(&session.directory)).into_owned());
    if let Some(model) = &session.model {
        facts.push(clean(&model.id).into_owned());
    }
    let used = session.tokens.context();
    if used > 0 {
        facts.push(format!("{} tokens", message::tokens(used)));
    }
    if session.cost > 0.0 {
        facts.push(message::cost(session.cost));
    }
    html! {
        div #session-head {
            h1 { (clean(&shortened(title, 120))) }
            p.session-facts {
                @if let Some(parent) = &session.parent_id {
                    a href=(format!("/chat/{parent}")) { "Sub-agent of another session" } " · "
                }
                (facts.join(" · "))
            }
        }
    }
}

/// Why nothing goes on although nobody stopped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Nothing pauses.
    None,
    /// The person is asked something.
    Asks,
    /// The server died during the last turn.
    Cut,
}

impl Pause {
    /// The pause of a conversation.
    pub fn of(asks: &Asks<'_>, is_cut: bool) -> Self {
        if !asks.permissions.is_empty() || !asks.questions.is_empty() {
            Self::Asks
        } else if is_cut {
            Self::Cut
        } else {
            Self::None
        }
    }
}

/// One line on what is going on: working, trying again, failed, cut off.
pub fn foot(id: &str, status: &SessionStatus, failure: Option<&Failure>, pause: Pause) -> Markup {
    html! {
        div #foot {
            @match status {
                SessionStatus::Retry { attempt, message, next } => {
                    p.foot-line data-tone="warn" {
                        (icon("shape-triangle"))
                        span {
                            "The model's vendor failed (" (clean(&shortened(message, 200))) "). Attempt " (attempt + 1) " "
                            (web::time::until(next.time(), SystemTime::now())) "."
                        }
                    }
                }
                SessionStatus::Busy | SessionStatus::Other if pause == Pause::Asks => {
                    p.foot-line data-tone="warn" { (icon("shape-triangle")) span { "Waiting for your answer above" } }
                }
                SessionStatus::Busy | SessionStatus::Other => {
                    p.foot-line data-tone="busy" { (icon("shape-ring")) span.working { "Working" } }
                }
                SessionStatus::Idle => {
                    @if let Some(failure) = failure {
                        p.foot-line role="alert" data-tone="bad" {
                            (icon("shape-alert"))
                            span { "The turn failed: " (clean(&shortened(failure.message(), 400))) " Send your message again, or choose another model." }
                        }
                    } @else if pause == Pause::Cut {
                        div.foot-line data-tone="bad" {
                            (icon("shape-alert"))
                            span { "The server stopped in the middle of this answer." }
                            form method="post" action=(format!("/chat/{id}/continue")) data-inline {
                                button.button type="submit" { "Continue" }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Why opencode is of no use now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// As a sentence.
    pub reason: String,
    /// What it printed last, oldest line first; empty when that helps nobody.
    pub last_lines: Vec<String>,
    /// What a button does about it, e.g. `"Restart opencode"`; `None` while something is being done already.
    pub remedy: Option<&'static str>,
}

/// What is said while opencode is of no use, and what can be done about it; gone when all is well.
pub fn outage(outage: Option<&Outage>) -> Markup {
    html! {
        div #outage {
            @if let Some(outage) = outage {
                div.foot-line data-tone=(Tone::Warn.as_str()) role="status" {
                    (icon("shape-triangle"))
                    span { (words(&outage.reason)) " Your text is kept." }
                    @if let Some(remedy) = outage.remedy {
                        form method="post" action="/chat/revive" data-inline {
                            button.button.small type="submit" { (remedy) }
                        }
                    }
                }
                @if !outage.last_lines.is_empty() {
                    details.last-lines {
                        summary { "What it printed last" }
                        pre tabindex="0" { (outage.last_lines.join("\n")) }
                    }
                }
            }
        }
    }
}

/// A session that is not there, or cannot be had.
pub fn missing(title: &str, reason: &str) -> Markup {
    html! {
        div.home {
            h1 { (title) }
            p { (reason) }
            p { a.button href="/" { "All sessions" } }
        }
    }
}

/// The state a conversation's card would show.
#[must_use]
pub fn state_of(has_asks: bool, status: &SessionStatus, has_failed: bool, is_cut: bool) -> CardState {
    if has_asks {
        CardState::Waiting
    } else if status.is_busy() {
        CardState::Working
    } else if has_failed {
        CardState::Failed
    } else if is_cut {
        CardState::Cut
    } else {
        CardState::Idle
    }
}
