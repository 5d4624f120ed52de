//! Where the person writes.

use maud::{Markup, html};
use web::icon;

use super::Place;

/// A model that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelChoice {
    /// `provider/model`.
    pub value: String,
    /// What it is called.
    pub name: String,
    /// Its vendor.
    pub vendor: String,
}

/// What can be chosen for a message.
#[derive(Clone, Copy)]
pub struct Choices<'a> {
    /// Where it can be chosen.
    pub folder: &'a str,
    pub models: &'a [ModelChoice],
    /// `provider/model`, or empty for the server's default.
    pub model: &'a str,
    pub agents: &'a [String],
    pub agent: &'a str,
}

/// Everything the composer needs.
pub struct Composer<'a> {
    /// The session, or `None` on the main page: sending begins a new one.
    pub session_id: Option<&'a str>,
    pub is_busy: bool,
    pub draft: &'a str,
    /// Makes sending the same words twice one message.
    pub nonce: &'a str,
    pub choices: Choices<'a>,
    /// Folders a new session can be made in.
    pub projects: &'a [String],
    pub home: &'a str,
}

/// The form at the foot of a conversation, or at the head of the main page.
pub fn composer(composer: &Composer<'_>) -> Markup {
    let action = match composer.session_id {
        Some(id) => format!("/chat/{id}/send"),
        None => "/chat/new".to_owned(),
    };
    let draft_key = composer.session_id.unwrap_or("new");
    let label = if composer.session_id.is_some() {
        "Message"
    } else {
        "What shall we do?"
    };
    html! {
        form #composer method="post" action=(action) data-composer=(draft_key) autocomplete="off" {
            input type="hidden" name="nonce" value=(composer.nonce);
            label.unseen for="words" { (label) }
            textarea #words name="text" rows="1" required maxlength="200000" placeholder=(placeholder(composer))
                data-key="i" data-key-label="Write a message"
                data-keys-help="Enter|Send; Shift and Enter begin a new line"
                aria-describedby="composer-help" { (composer.draft) }
            p #composer-help.unseen { "Enter sends. Shift and Enter begin a new line. Arrow up brings back what you sent." }
            div #chips aria-label="Attachments" role="list" hidden {}
            div.composer-row {
                label.attach.button.quiet title="Attach files" {
                    (icon("attach")) span.unseen { "Attach files" }
                    input #files type="file" multiple hidden;
                }
                @if composer.session_id.is_none() { (projects(composer)) }
                (menus(&composer.choices))
                (buttons(composer.session_id, composer.is_busy))
            }
        }
        @if let Some(id) = composer.session_id {
            form #stop-form method="post" action=(format!("/chat/{id}/stop")) data-inline {}
        }
    }
}

fn placeholder(composer: &Composer<'_>) -> &'static str {
    // The same while a turn is under way: the field is not drawn again when one ends, and the button says "Queue".
    match composer.session_id {
        None => "What shall we do?",
        Some(_) => "Message",
    }
}

/// Send, and Stop while a turn is under way: with words typed, Send takes Stop's place and queues them.
pub fn buttons(session_id: Option<&str>, is_busy: bool) -> Markup {
    html! {
        div #send-or-stop data-busy[is_busy] {
            @if is_busy && session_id.is_some() {
                button.button.stop type="submit" form="stop-form" formnovalidate data-key="s" data-key-label="Stop" {
                    (icon("stop")) span { "Stop" }
                }
            }
            button.button.primary.send type="submit" { (icon("send")) span { @if is_busy { "Queue" } @else { "Send" } } }
        }
    }
}

fn projects(composer: &Composer<'_>) -> Markup {
    let place = Place {
        directory: "",
        home: composer.home,
    };
    html! {
        label.menu {
            (icon("folder")) span.unseen { "Project folder" }
            select name="directory" {
                @for folder in composer.projects { option value=(folder) { (place.named(folder)) } }
            }
        }
    }
}

/// Model and agent, as two quiet menus.
pub fn menus(choices: &Choices<'_>) -> Markup {
    html! { div #menus data-folder=(choices.folder) { (models(choices)) (agents(choices)) } }
}

fn models(composer: &Choices<'_>) -> Markup {
    let mut vendors: Vec<&str> = composer
        .models
        .iter()
        .map(|model| model.vendor.as_str())
        .collect();
    vendors.dedup();
    let has_current = composer.models.iter().any(|model| model.value == composer.model);
    html! {
        label.menu {
            (icon("model")) span.unseen { "Model" }
            select name="model" {
                @if composer.model.is_empty() { option value="" selected { "Default model" } }
                @else if !has_current {
                    option value=(composer.model) selected { (composer.model.split('/').next_back().unwrap_or_default()) }
                }
                @for vendor in vendors {
                    optgroup label=(vendor) {
                        @for model in composer.models.iter().filter(|model| model.vendor == vendor) {
                            option value=(model.value) selected[model.value == composer.model] { (model.name) }
                        }
                    }
                }
            }
        }
    }
}

fn agents(composer: &Choices<'_>) -> Markup {
    html! {
        @if composer.agents.len() > 1 {
            label.menu {
                (icon("agent")) span.unseen { "Agent" }
                select name="agent" {
                    @for agent in composer.agents { option value=(agent) selected[*agent == composer.agent] { (agent) } }
                }
            }
        }
    }
}
