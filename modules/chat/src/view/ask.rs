//! What waits for the person: permissions and questions.

use maud::{Markup, html};
use opencode::wire::{Permission, Question, QuestionItem};
use serde_json::{Map, Value};
use web::icon;

use super::{
    Place,
    diff::{self, Diff},
    tool::plain,
};
use crate::text::{clean, revealed};

/// Lines of a diff that are drawn on its card. More of them are for a page of their own.
const LINES_MAX: usize = 5000;

/// A request for permission.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub permission: &'a Permission,
    /// What its tool was called with; `None` while that is not known.
    pub input: Option<&'a Map<String, Value>>,
}

/// Everything that waits in one session.
pub struct Asks<'a> {
    /// The session whose page this is.
    pub session_id: &'a str,
    pub permissions: Vec<Asked<'a>>,
    pub questions: Vec<&'a Question>,
    pub place: Place<'a>,
}

/// The cards above the composer.
pub fn asks(asks: &Asks<'_>) -> Markup {
    html! {
        div #asks {
            @for (index, asked) in asks.permissions.iter().enumerate() {
                (permission_card(asks, asked, index == 0))
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

/// What is asked for, whole, as plain text.
pub fn whole_text(permission: &Permission) -> String {
    let named = ["filepath", "command", "diff"].map(|name| text(permission, name));
    let mut parts: Vec<&str> = vec![&permission.permission];
    parts.extend(permission.patterns.iter().map(String::as_str));
    parts.extend(named.into_iter().filter(|part| !part.is_empty()));
    revealed(&parts.join("\n")).into_owned()
}

/// What is asked for, for somebody who decides by it: whole, and with nothing in it that cannot be seen.
fn wanted(asks: &Asks<'_>, asked: &Asked<'_>, whole: &str) -> Markup {
    let permission = asked.permission;
    let command = text(permission, "command");
    let patch = text(permission, "diff");
    let file = text(permission, "filepath");
    let patterns = permission.patterns.join("\n");
    html! {
        @if !command.is_empty() {
            pre.ask-what tabindex="0" { code { (revealed(command)) } }
            @if permission.permission == "external_directory" {
                p.help { "It reaches into " code { (revealed(&patterns)) } }
            }
        }
        @else if !patch.is_empty() {
            @let diff = Diff::read(patch, LINES_MAX);
            p.ask-file { code { (revealed(&asks.place.short(file))) } " " (diff::counts(&diff)) }
            (diff::view(&diff, revealed))
            @if diff.left_out > 0 {
                p.help {
                    (diff.left_out) " lines of this diff are not drawn here. "
                    a href=(whole) target="_blank" { "Read all of it before you allow it" }
                }
            }
        }
        @else if !file.is_empty() { pre.ask-what tabindex="0" { code { (revealed(file)) } } }
        @else {
            pre.ask-what tabindex="0" { code { (revealed(&permission.permission)) " " (revealed(&patterns)) } }
            (details(asked))
        }
    }
}

/// What is asked for by names and values: those the tool was called with, or those the request brings.
fn details(asked: &Asked<'_>) -> Markup {
    let named = asked.input.unwrap_or(&asked.permission.metadata);
    html! {
        @if !named.is_empty() {
            div.ask-what tabindex="0" role="group" aria-label="With" {
                dl.arguments {
                    @for (name, value) in named {
                        div { dt { (revealed(name)) } dd { code { (revealed(&plain(value))) } } }
                    }
                }
            }
        }
    }
}

/// Where it happens: the session's folder, or where a command says it runs.
fn place(asks: &Asks<'_>, asked: &Asked<'_>) -> Markup {
    let folder = asks.place.below_home(asks.place.directory);
    let workdir = asked
        .input
        .and_then(|input| input.get("workdir"))
        .and_then(Value::as_str);
    html! {
        p.help {
            "In "
            @if let Some(workdir) = workdir.filter(|workdir| !workdir.is_empty()) {
                code { (revealed(workdir)) } ", seen from "
            }
            code { (revealed(&folder)) }
        }
    }
}

/// `has_keys`: the first card is answered with 1, 2 and 3.
fn permission_card(asks: &Asks<'_>, asked: &Asked<'_>, has_keys: bool) -> Markup {
    let permission = asked.permission;
    let action = format!("/chat/{}/permission/{}", asks.session_id, permission.id);
    let command = text(permission, "command");
    let covers = permission.always.join(", ");
    let key = |key: &'static str| has_keys.then_some(key);
    let is_from_below = permission.session_id != asks.session_id;
    let title = permission_title(&permission.permission);
    let told = if command.is_empty() {
        text(permission, "filepath")
    } else {
        command
    };
    html! {
        section.ask id=(format!("ask-{}", permission.id)) aria-label=(title)
            data-announce=(format!("{title} {}", revealed(told))) {
            h2 { (icon("shield")) (title) }
            @if is_from_below { p.help { "A sub-agent of this session asks." } }
            (wanted(asks, asked, &action))
            (place(asks, asked))
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
                p.help { "Always covers " code { (revealed(&covers)) } " in this folder, until the server restarts." }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn card(permission: &Permission) -> String {
        card_with(permission, None)
    }

    fn card_with(permission: &Permission, input: Option<&Map<String, Value>>) -> String {
        let asks_of_it = Asks {
            session_id: "ses_1",
            permissions: vec![Asked { permission, input }],
            questions: Vec::new(),
            place: Place {
                directory: "/home/ann/shop",
                home: "/home/ann",
            },
        };
        asks(&asks_of_it).into_string()
    }

    fn permission(kind: &str, metadata: Value) -> Permission {
        serde_json::from_value(json!({
            "id": "per_1", "sessionID": "ses_1", "permission": kind, "patterns": ["*"], "metadata": metadata,
            "always": ["git\u{200b} *"],
        }))
        .unwrap()
    }

    #[test]
    fn a_command_is_shown_whole_and_hides_nothing() {
        let long = format!("echo {}; rm\u{200b} -rf \u{202e}x", "word ".repeat(4000));
        let html = card(&permission("bash", json!({ "command": long })));

        assert!(html.contains("rm⟨U+200B⟩ -rf ⟨U+202E⟩x"));
        assert!(html.contains("git⟨U+200B⟩ *"));
        assert_eq!(html.matches("word ").count(), 8000, "in the card, and read out");
    }

    #[test]
    fn a_diff_is_shown_whole_or_says_where_the_rest_is() {
        let patch = |lines: usize| diff::between("", &"some line\n".repeat(lines));
        let edit = |lines: usize| permission("edit", json!({ "filepath": "a", "diff": patch(lines) }));

        let whole = card(&edit(LINES_MAX - 1));
        assert_eq!(whole.matches("some line").count(), LINES_MAX - 1);
        assert!(!whole.contains("not drawn here"));

        let cut = card(&edit(LINES_MAX + 6));
        assert!(cut.contains("7 lines of this diff are not drawn here."));
        assert!(cut.contains(r#"<a href="/chat/ses_1/permission/per_1""#));
        assert_eq!(
            whole_text(&edit(LINES_MAX + 6)).matches("some line").count(),
            LINES_MAX + 6
        );
    }

    #[test]
    fn a_tool_without_words_of_its_own_shows_what_it_is_called_with() {
        let input = json!({ "title": "Release", "body": "word ".repeat(1000), "labels": ["a", "b\u{200b}"] });
        let asked = permission("tracker_create_issue", json!({}));

        let html = card_with(&asked, input.as_object());

        assert!(html.contains("tracker_create_issue *"));
        assert!(html.contains("<dt>title</dt><dd><code>Release</code>"));
        assert!(html.contains("[&quot;a&quot;,&quot;b⟨U+200B⟩&quot;]"));
        assert_eq!(html.matches("word ").count(), 1000);
    }

    #[test]
    fn a_command_says_where_it_runs() {
        let input = json!({ "command": "ls", "workdir": "../other" });
        let asked = permission("bash", json!({ "command": "ls" }));

        assert!(card(&asked).contains("In <code>~/shop</code>"));
        assert!(
            card_with(&asked, input.as_object())
                .contains("In <code>../other</code>, seen from <code>~/shop</code>")
        );
    }

    #[test]
    fn a_command_that_reaches_outside_says_where() {
        let mut outside = permission("external_directory", json!({ "command": "ls /etc" }));
        outside.patterns = vec!["/etc/*".to_owned()];

        assert!(card(&outside).contains("It reaches into <code>/etc/*</code>"));
    }
}
