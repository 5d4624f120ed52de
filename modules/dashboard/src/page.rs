//! The dashboard's markup.

use std::time::SystemTime;

use kit::{AgentFacts, ModuleId, State};
use maud::{Markup, html};
use web::{
    parts::{Weight, button_form, facts, state_mark, tone, words},
    time,
};

use crate::view::{Card, View};

pub(crate) const HEADLINE_ID: &str = "headline";
pub(crate) const PARTS_ID: &str = "parts";

pub(crate) fn card_id(module: ModuleId) -> String {
    format!("card-{module}")
}

pub(crate) fn content(view: &View, now: SystemTime) -> Markup {
    html! {
        (headline(&view.headline))
        (parts(view, now))
        p.muted { a href="/dashboard/history" { "When opencode ended or was restarted, and why" } }
    }
}

/// The grid of all cards.
pub(crate) fn parts(view: &View, now: SystemTime) -> Markup {
    html! {
        div #(PARTS_ID) .parts {
            @for part in &view.cards { (card(part, now)) }
            (agent(&view.agent, now))
        }
    }
}

pub(crate) fn headline(text: &str) -> Markup {
    html! { h1 #(HEADLINE_ID) { (text) } }
}

pub(crate) fn card(card: &Card, now: SystemTime) -> Markup {
    let id = card_id(card.id);
    let heading = format!("{id}-title");
    html! {
        section.card.part.main-part[card.is_main] id=(id) aria-labelledby=(heading) data-tone=(tone(card.state).as_str()) {
            div.part-head {
                h2 id=(heading) { (card.title) }
                p.part-state {
                    (state_mark(card.state, None))
                    span.since { (time::lasting(card.since, now)) }
                }
            }
            @if card.reason.is_some() || card.next_attempt.is_some() {
                p.part-reason {
                    @if let Some(reason) = &card.reason { (words(reason)) " " }
                    @if let Some(at) = card.next_attempt { "Next attempt " (time::until(at, now)) "." }
                }
            }
            (facts(&card.facts))
            @if let (false, Some(at)) = (card.facts.is_empty(), card.facts_at) {
                p.age { "Figures last changed " (time::ago(at, now)) "." }
            }
            @if !card.tail.is_empty() {
                details.part-output {
                    summary { "Last output" }
                    pre tabindex="0" role="region" aria-label=(format!("Last output of {}", card.title)) { (card.tail.join("\n")) }
                }
            }
            @if !card.controls.is_empty() {
                div.buttons {
                    @for control in &card.controls {
                        @let action = format!("/api/modules/{}/{}", card.id, control.verb);
                        @let weight = if control.is_primary { Weight::Primary } else { Weight::Plain };
                        (button_form(&action, control.label, weight))
                    }
                }
            }
        }
    }
}

fn agent(agent: &AgentFacts, now: SystemTime) -> Markup {
    html! {
        section.card.part #card-agent aria-labelledby="card-agent-title" {
            div.part-head {
                h2 #card-agent-title { "This program" }
                p.part-state { (state_mark(State::Running, None)) span.since { (time::lasting(agent.started_at, now)) } }
            }
            dl.facts {
                div { dt { "Version" } dd { (agent.version) } }
                div { dt { "Process" } dd { (agent.pid) } }
                div { dt { "Desktop" } dd { @if agent.is_headless { "None (headless)" } @else { "Tray and windows" } } }
                div.wide { dt { "Files" } dd.mono { (agent.home) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kit::Fact;

    use super::*;

    #[test]
    fn everything_on_a_card_is_text() {
        let hostile = "\"><img src=x onerror=alert(1)>";
        let shown = card(
            &Card {
                id: ModuleId("opencode"),
                title: "opencode",
                state: State::NeedsAction,
                since: SystemTime::UNIX_EPOCH,
                reason: Some(hostile.to_owned()),
                next_attempt: None,
                facts: vec![Fact("Version", hostile.to_owned())],
                facts_at: None,
                controls: Vec::new(),
                tail: vec![hostile.to_owned()],
                is_main: true,
            },
            SystemTime::UNIX_EPOCH,
        )
        .into_string();

        assert!(!shown.contains("<img"));
        assert_eq!(shown.matches("&lt;img").count(), 3);
    }
}
