//! What waits for the person: permissions and questions.

use maud::{Markup, html};
use opencode::wire::{Permission, Question, QuestionItem};
use serde_json::Value;
use web::icon;

use super::{
    Place,
    diff::{self, Diff},
};
use crate::text::clean;

/// Everything that waits in one session.
pub struct Asks<'a> {
    /// The session whose page this is.
    pub session_id: &'a str,
    pub permissions: Vec<&'a Permission>,
    pub questions: Vec<&'a Question>,
    pub place: Place<'a>,
}

/// The cards above the composer.
pub fn asks(asks: &Asks<'_>) -> Markup {
    html! {
        div #asks {
            @for (index, permission) in asks.permissions.iter().enumerate() {
                (permission_card(asks, permission, index == 0))
            }
            @for question in &asks.questions { (question_card(asks, question)) }
        }
    }
}

fn text<'a>(permission: &'a Permission, name: &str) -> &'a str {
    permission
        .metadata
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn permission_title(kind: &str) -> &'static str {
    match kind {
        "bash" => "May it run this command?",
        "edit" | "write" | "apply_patch" => "May it change this file?",
        "external_directory" => "May it reach outside the project?",
        "webfetch" => "May it fetch this page?",
        "doom_loop" => "It repeats itself. May it go on?",
        _ => "May it do this?",
    }
}

/// `has_keys`: the first card is answered with 1, 2 and 3.
fn permission_card(asks: &Asks<'_>, permission: &Permission, has_keys: bool) -> Markup {
    let action = format!("/chat/{}/permission/{}", asks.session_id, permission.id);
    let command = text(permission, "command");
    let patch = text(permission, "diff");
    let file = text(permission, "filepath");
    let covers = permission.always.join(", ");
    let key = |key: &'static str| has_keys.then_some(key);
    let is_from_below = permission.session_id != asks.session_id;
    let title = permission_title(&permission.permission);
    html! {
        section.ask id=(format!("ask-{}", permission.id)) aria-label=(title)
            data-announce=(format!("{title} {}", if command.is_empty() { file } else { command })) {
            h2 { (icon("shield")) (title) }
            @if is_from_below { p.help { "A sub-agent of this session asks." } }
            @if !command.is_empty() { pre.ask-what tabindex="0" { code { (clean(command)) } } }
            @else if !patch.is_empty() {
                @let diff = Diff::read(patch);
                p.ask-file { code { (clean(&asks.place.short(file))) } " " (diff::counts(&diff)) }
                (diff::view(&diff))
            }
            @else if !file.is_empty() { pre.ask-what tabindex="0" { code { (clean(file)) } } }
            @else {
                pre.ask-what tabindex="0" { code { (clean(&permission.permission)) " " (clean(&permission.patterns.join("\n"))) } }
            }
            p.help { "In " code { (clean(&asks.place.below_home(asks.place.directory))) } }
            div.ask-actions {
                form method="post" action=(action) data-inline {
                    input type="hidden" name="reply" value="once";
                    button.button.primary type="submit" data-key=[key("1")] data-key-label="Allow once" {
                        "Allow once" @if has_keys { kbd aria-hidden="true" { "1" } }
                    }
                }
                @if !permission.always.is_empty() {
                    form method="post" action=(action) data-inline {
                        input type="hidden" name="reply" value="always";
                        button.button type="submit" data-key=[key("2")] data-key-label="Always allow" {
                            "Always" @if has_keys { kbd aria-hidden="true" { "2" } }
                        }
                    }
                }
                form.reject method="post" action=(action) data-inline {
                    input type="hidden" name="reply" value="reject";
                    button.button.danger type="submit" data-key=[key("3")] data-key-label="Reject" {
                        "Reject" @if has_keys { kbd aria-hidden="true" { "3" } }
                    }
                    label {
                        span.unseen { "Reason for rejecting" }
                        input type="text" name="message" autocomplete="off" maxlength="2000"
                            placeholder="or say what to do instead" id=(format!("why-{}", permission.id));
                    }
                }
            }
            @if !permission.always.is_empty() {
                p.help { "Always covers " code { (clean(&covers)) } " in this folder, until the server restarts." }
            }
        }
    }
}

fn question_card(asks: &Asks<'_>, question: &Question) -> Markup {
    let action = format!("/chat/{}/question/{}", asks.session_id, question.id);
    html! {
        section.ask id=(format!("ask-{}", question.id)) aria-label="A question for you"
            data-announce=(question.questions.first().map(|item| item.question.as_str()).unwrap_or_default()) {
            form method="post" action=(action) data-inline {
                @for (index, item) in question.questions.iter().enumerate() { (question_item(&question.id, index, item)) }
                div.ask-actions {
                    button.button.primary type="submit" name="do" value="answer" { "Answer" }
                    button.button type="submit" name="do" value="dismiss" formnovalidate { "Dismiss" }
                }
            }
        }
    }
}

fn question_item(id: &str, index: usize, item: &QuestionItem) -> Markup {
    let name = format!("q{index}");
    let kind = if item.is_multiple { "checkbox" } else { "radio" };
    html! {
        fieldset {
            legend { (icon("question")) (clean(&item.question)) }
            div.options {
                @for option in &item.options {
                    label.option {
                        input type=(kind) name=(name) value=(option.label);
                        span {
                            span.option-label { (clean(&option.label)) }
                            @if !option.description.is_empty() { span.help { (clean(&option.description)) } }
                        }
                    }
                }
            }
            @if item.takes_own_words {
                label.own-words {
                    span.unseen { "Your own answer" }
                    input type="text" name=(format!("{name}-own")) id=(format!("own-{id}-{index}")) autocomplete="off" maxlength="4000"
                        placeholder="or in your own words";
                }
            }
        }
    }
}
