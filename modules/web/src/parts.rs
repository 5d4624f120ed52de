//! The pieces pages are made of.

use kit::{Fact, State};
use maud::{Markup, html};

use crate::icon;

/// What a state means at a glance. Each tone has a shape and a colour; the word is always there too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// Works.
    Good,
    /// On its way.
    Busy,
    /// Works in part, or will be tried again.
    Warn,
    /// Waits for a person.
    Bad,
    /// Off on purpose, or finished.
    Quiet,
    /// Can be reached from outside.
    Remote,
}

impl Tone {
    /// Value of `data-tone`, which the stylesheet colours by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
            Self::Remote => "remote",
        }
    }

    fn shape(self) -> &'static str {
        match self {
            Self::Good => "shape-dot",
            Self::Busy => "shape-ring",
            Self::Warn => "shape-triangle",
            Self::Bad => "shape-alert",
            Self::Quiet => "shape-slash",
            Self::Remote => "shape-waves",
        }
    }
}

/// The tone of a module's state.
pub fn tone(state: State) -> Tone {
    match state {
        State::Healthy | State::Running => Tone::Good,
        State::Starting | State::Stopping | State::Backoff | State::Reconnecting => Tone::Busy,
        State::Unresponsive | State::Degraded => Tone::Warn,
        State::NeedsAction | State::Blocked => Tone::Bad,
        State::Stopped | State::Off => Tone::Quiet,
        State::Connected => Tone::Remote,
    }
}

/// A shape and a word, e.g. a dot and `Working`.
pub fn mark(tone: Tone, word: &str) -> Markup {
    html! { span.mark data-tone=(tone.as_str()) { (icon(tone.shape())) span { (word) } } }
}

/// A module's state, with the module's name before the word where several stand in a row.
pub fn state_mark(state: State, name: Option<&str>) -> Markup {
    let tone = tone(state);
    html! {
        span.mark data-tone=(tone.as_str()) {
            (icon(tone.shape()))
            @if let Some(name) = name { span.mark-name { (name) } " " }
            span.mark-word { (state.words()) }
        }
    }
}

/// Longer values take two columns.
const SHORT_CHARS: usize = 16;

/// Labelled figures.
pub fn facts(facts: &[Fact]) -> Markup {
    html! {
        @if !facts.is_empty() {
            dl.facts {
                @for Fact(label, value) in facts {
                    div.wide[value.chars().count() > SHORT_CHARS] { dt { (label) } dd { (value) } }
                }
            }
        }
    }
}

/// How much a button asks to be pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The one thing to do here.
    Primary,
    /// Everything else.
    Plain,
    /// Ends or deletes something.
    Danger,
}

impl Weight {
    fn class(self) -> &'static str {
        match self {
            Self::Primary => "button primary",
            Self::Plain => "button",
            Self::Danger => "button danger",
        }
    }
}

/// A button that posts to `action`. With the script the page stays; without, the answer leads back to it.
pub fn button_form(action: &str, label: &str, weight: Weight) -> Markup {
    html! {
        form method="post" action=(action) data-inline {
            button class=(weight.class()) type="submit" { (label) }
        }
    }
}

/// A link that looks like a button.
pub fn button_link(href: &str, label: &str, weight: Weight) -> Markup {
    html! { a class=(weight.class()) href=(href) { (label) } }
}

/// A button that copies `text`.
pub fn copy_button(text: &str, label: &str) -> Markup {
    html! {
        button.button.quiet type="button" data-copy=(text) { (icon("copy")) span { (label) } }
    }
}

/// A command to run in a terminal, with a button to copy it.
pub fn command(text: &str) -> Markup {
    html! { div.command { code { (text) } (copy_button(text, "Copy")) } }
}

/// What stands where nothing is yet: what this place is for, and the way on.
pub fn empty(icon_name: &str, title: &str, text: &str, action: Option<Markup>) -> Markup {
    html! {
        div.empty {
            (icon(icon_name))
            p.empty-title { (title) }
            p { (text) }
            @if let Some(action) = action { (action) }
        }
    }
}

/// Sentences in which what stands between backticks is code, as command lines print it: text all the same.
pub fn words(text: &str) -> Markup {
    let pieces: Vec<&str> = text.split('`').collect();
    // A backtick without a second one is one.
    let closed = pieces.len() - (pieces.len() + 1) % 2;
    html! {
        @for (number, piece) in pieces.iter().enumerate() {
            @if number >= closed { "`" (piece) } @else if number % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

/// A sentence that must be seen: what happened, what is done about it, what the person can do.
pub fn message(tone: Tone, text: &str) -> Markup {
    let role = if tone == Tone::Bad { "alert" } else { "status" };
    html! {
        div.message role=(role) data-tone=(tone.as_str()) { (icon(tone.shape())) p { (words(text)) } }
    }
}

/// Grey bars in the shape of what is coming, shown only when it takes longer than a moment.
pub fn skeleton(lines: usize) -> Markup {
    html! {
        div.skeleton aria-hidden="true" { @for _ in 0..lines { span {} } }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const STATES: [State; 13] = [
        State::Stopped,
        State::Starting,
        State::Healthy,
        State::Running,
        State::Unresponsive,
        State::Backoff,
        State::Degraded,
        State::NeedsAction,
        State::Stopping,
        State::Off,
        State::Blocked,
        State::Connected,
        State::Reconnecting,
    ];

    #[test]
    fn every_tone_has_a_shape_of_its_own() {
        let tones = STATES
            .map(tone)
            .into_iter()
            .collect::<std::collections::HashSet<_>>();
        let shapes: BTreeSet<_> = tones.iter().map(|tone| tone.shape()).collect();

        assert_eq!(tones.len(), 6);
        assert_eq!(shapes.len(), tones.len());
    }

    #[test]
    fn every_state_is_said_in_words() {
        for state in STATES {
            assert!(state_mark(state, None).into_string().contains(state.words()));
        }
    }

    #[test]
    fn what_stands_between_backticks_is_code() {
        let check = |text: &str, expected: &str| assert_eq!(words(text).into_string(), expected);

        check("", "");
        check("Plain.", "Plain.");
        check("Run `nexus open`.", "Run <code>nexus open</code>.");
        check("`a` or `b`", "<code>a</code> or <code>b</code>");
        check("One ` alone, `b` not", "One <code> alone, </code>b` not");
        check("It's `open", "It's `open");
        check("`<b>`<i>", "<code>&lt;b&gt;</code>&lt;i&gt;");
    }

    #[test]
    fn what_is_shown_is_text() {
        let hostile = "\"><img src=x onerror=alert(1)>";
        let shown = html! {
            (mark(Tone::Good, hostile))
            (facts(&[Fact("Folder", hostile.to_owned())]))
            (button_form(hostile, hostile, Weight::Plain))
            (command(hostile))
            (message(Tone::Bad, hostile))
            (words(&format!("`{hostile}`")))
            (empty("chat", hostile, hostile, None))
        }
        .into_string();

        assert!(!shown.contains("<img"));
        assert!(!shown.contains("\"\""));
    }
}
