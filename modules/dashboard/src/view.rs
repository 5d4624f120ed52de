//! What the dashboard says, as values: computed from statuses, compared to find what changed.

use std::{
    sync::{Arc, PoisonError},
    time::SystemTime,
};

use kit::{AgentFacts, Fact, ModuleId, ModuleView, Overview, State, Status, VerbSpec, text::capital};
use tokio::sync::watch;
use web::parts::{Tone, tone};

use crate::{Ages, Tails};

/// Lines of output a card shows.
const TAIL_LINES: usize = 6;

/// Everything the page is computed from.
#[derive(Clone)]
pub(crate) struct Source {
    pub overview: watch::Receiver<Arc<Overview>>,
    pub verbs: Arc<[(ModuleId, &'static [VerbSpec])]>,
    pub tails: Tails,
    pub ages: Arc<Ages>,
    /// Whether whoever looks may change anything: from outside nobody does.
    pub has_controls: bool,
}

/// The page as a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    pub headline: String,
    pub cards: Vec<Card>,
    pub agent: AgentFacts,
}

/// One part of the program.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Card {
    pub id: ModuleId,
    pub title: &'static str,
    pub state: State,
    pub since: SystemTime,
    pub reason: Option<String>,
    pub next_attempt: Option<SystemTime>,
    pub facts: Vec<Fact>,
    pub facts_at: Option<SystemTime>,
    pub controls: Vec<Control>,
    pub tail: Vec<String>,
    /// Parts with a life of their own come first and large; what simply runs inside the agent comes after them.
    pub is_main: bool,
}

/// A button of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// The module's word for it.
    pub verb: &'static str,
    /// The button's text.
    pub label: &'static str,
    /// Whether it is the sensible thing to do now.
    pub is_primary: bool,
}

impl Card {
    /// That a part of the agent runs inside it goes without saying.
    fn is_worth_showing(&self) -> bool {
        let says_more = self.reason.is_some() || !self.facts.is_empty() || !self.controls.is_empty();
        says_more || !self.tail.is_empty() || self.state != State::Running
    }
}

impl Source {
    /// The page now.
    pub fn read(&self) -> View {
        let overview = Arc::clone(&self.overview.borrow());
        let ages = self.ages.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let cards = overview.modules.iter().map(|module| {
            let verbs = self
                .verbs
                .iter()
                .find(|(id, _)| *id == module.id)
                .map_or(&[][..], |(_, verbs)| verbs);
            let mut tail = (self.tails.read)(module.id);
            tail.drain(..tail.len().saturating_sub(TAIL_LINES));
            Card {
                id: module.id,
                title: module.title,
                state: module.status.state,
                since: module.status.since,
                reason: module.status.reason.clone(),
                next_attempt: module.status.next_attempt,
                facts: module.status.facts.clone(),
                facts_at: ages.get(&module.id).map(|(_, at)| *at),
                controls: if self.has_controls {
                    controls(&module.status, verbs)
                } else {
                    Vec::new()
                },
                tail,
                is_main: web::is_notable(module),
            }
        });
        let mut cards: Vec<Card> = cards.filter(Card::is_worth_showing).collect();
        cards.sort_by_key(|card| !card.is_main);
        View {
            headline: headline(&overview.modules),
            cards,
            agent: overview.agent.clone(),
        }
    }
}

/// The buttons that make sense in `state`, the sensible one first.
fn controls(status: &Status, verbs: &'static [VerbSpec]) -> Vec<Control> {
    let state = status.state;
    let (sensible, hidden): (&str, &[&str]) = match state {
        State::Stopped | State::Off => ("start", &["stop", "restart", "off"]),
        State::Starting | State::Stopping => ("", &["start", "restart"]),
        State::Healthy | State::Running | State::Connected => ("", &["start", "on"]),
        State::Unresponsive | State::Reconnecting => ("restart", &["start"]),
        State::Backoff | State::Degraded | State::NeedsAction | State::Blocked => ("start", &["restart"]),
    };
    let shown = verbs
        .iter()
        .filter(|verb| !hidden.contains(&verb.name) && verb.args.is_empty());
    let mut controls: Vec<Control> = shown
        .filter_map(|verb| {
            let label = match (verb.name, state) {
                ("start", State::Backoff | State::Degraded | State::NeedsAction) => "Try now",
                _ => verb.button?,
            };
            Some(Control {
                verb: verb.name,
                label,
                is_primary: verb.name == sensible,
            })
        })
        .collect();
    controls.extend(status.offers.iter().map(|offer| Control {
        verb: offer.verb,
        label: offer.label,
        is_primary: offer.verb == sensible,
    }));
    controls.sort_by_key(|control| !control.is_primary);
    controls
}

/// One or two sentences that say how everything is, e.g. `Everything is running. Remote access is off.`
pub fn headline(modules: &[ModuleView]) -> String {
    let mut sentences: Vec<String> = Vec::new();
    for module in modules.iter().filter(|module| web::is_notable(module)) {
        if let Some(phrase) = phrase(module.status.state) {
            sentences.push(format!("{} {phrase}.", capital(module.title)));
        }
    }
    let has_trouble = modules.iter().any(|module| match tone(module.status.state) {
        Tone::Busy | Tone::Warn | Tone::Bad => true,
        Tone::Good | Tone::Quiet | Tone::Remote => {
            module.status.state == State::Stopped && web::is_notable(module)
        }
    });
    let runs = |module: &ModuleView| phrase(module.status.state).is_none();
    match (has_trouble, modules.iter().any(runs)) {
        (false, true) => sentences.insert(0, "Everything is running.".to_owned()),
        (true, true) => sentences.push("Everything else is running.".to_owned()),
        (_, false) => {}
    }
    if sentences.is_empty() {
        return "Nothing is known yet.".to_owned();
    }
    sentences.join(" ")
}

/// What is to be said of a state; `None` when it simply runs.
fn phrase(state: State) -> Option<&'static str> {
    match state {
        State::Healthy | State::Running => None,
        State::Connected => Some("is on"),
        State::Stopped => Some("is stopped"),
        State::Off => Some("is off"),
        State::Starting => Some("is starting"),
        State::Stopping => Some("is stopping"),
        State::Backoff => Some("is restarting"),
        State::Reconnecting => Some("is reconnecting"),
        State::Unresponsive => Some("is not answering"),
        State::Degraded => Some("does not work fully"),
        State::Blocked => Some("is blocked"),
        State::NeedsAction => Some("needs you"),
    }
}

#[cfg(test)]
mod tests {
    use kit::Status;

    use super::*;

    const VERBS: &[VerbSpec] = &[
        verb("start", "Start"),
        verb("stop", "Stop"),
        verb("restart", "Restart"),
    ];

    const fn verb(name: &'static str, button: &'static str) -> VerbSpec {
        VerbSpec {
            name,
            help: "",
            args: &[],
            button: Some(button),
        }
    }

    fn module(title: &'static str, state: State) -> ModuleView {
        ModuleView {
            id: ModuleId(title),
            title,
            status: {
                let mut status = Status::new(state, SystemTime::UNIX_EPOCH);
                if title != "launch at login" {
                    status.details.insert("pid".to_owned(), serde_json::Value::Null);
                }
                status
            },
        }
    }

    #[test]
    fn the_first_sentence_says_how_everything_is() {
        let check = |states: &[(&'static str, State)], expected: &str| {
            let modules: Vec<_> = states
                .iter()
                .map(|(title, state)| module(title, *state))
                .collect();
            assert_eq!(headline(&modules), expected);
        };

        check(&[], "Nothing is known yet.");
        check(
            &[("opencode", State::Healthy), ("gateway", State::Running)],
            "Everything is running.",
        );
        check(
            &[("opencode", State::Healthy), ("remote access", State::Off)],
            "Everything is running. Remote access is off.",
        );
        check(
            &[("opencode", State::Backoff), ("gateway", State::Running)],
            "opencode is restarting. Everything else is running.",
        );
        check(
            &[("opencode", State::Stopped), ("gateway", State::Running)],
            "opencode is stopped. Everything else is running.",
        );
        check(
            &[("opencode", State::Healthy), ("launch at login", State::Off)],
            "Everything is running.",
        );
        check(&[("opencode", State::NeedsAction)], "opencode needs you.");
        check(
            &[("opencode", State::Healthy), ("remote access", State::Connected)],
            "Everything is running. Remote access is on.",
        );
    }

    #[test]
    fn a_card_offers_what_makes_sense() {
        let check = |state, expected: &[(&str, bool)]| {
            let found = controls(&Status::new(state, SystemTime::UNIX_EPOCH), VERBS);
            let found: Vec<_> = found
                .iter()
                .map(|control| (control.label, control.is_primary))
                .collect();
            assert_eq!(found, expected);
        };

        check(State::Stopped, &[("Start", true)]);
        check(State::Starting, &[("Stop", false)]);
        check(State::Healthy, &[("Stop", false), ("Restart", false)]);
        check(State::Unresponsive, &[("Restart", true), ("Stop", false)]);
        check(State::Backoff, &[("Try now", true), ("Stop", false)]);
        check(State::NeedsAction, &[("Try now", true), ("Stop", false)]);
    }
}
