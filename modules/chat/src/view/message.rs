//! What was said: prompts, words, thinking, ends.

use maud::{Markup, PreEscaped, html};
use opencode::wire::{Assistant, Attachment, Part, PartKind, ToolCall, User};
use web::icon;

use super::{Place, tool};
use crate::{
    code::Highlighter,
    markdown,
    text::{clean, shortened},
    transcript::rows::{Row, RowKind, TurnEnd},
};

/// Words read out when a turn is over.
const ANNOUNCED_CHARS_MAX: usize = 600;

/// The element a text row's blocks stand in.
pub fn prose_id(id: &str) -> String {
    id.to_owned()
}

/// The model's words. `html` was made by [`markdown`], which escapes everything it is given.
pub fn prose(id: &str, html: &str) -> Markup {
    html! { div.prose id=(id) { (PreEscaped(html)) } }
}

/// The element the blocks of a reasoning row stand in.
pub fn reasoning_id(id: &str) -> String {
    format!("{id}-b")
}

/// The model's thinking, folded.
pub fn reasoning(id: &str, html: &str, bytes: usize, is_open: bool) -> Markup {
    html! {
        details.reasoning id=(id) {
            (reasoning_summary(id, bytes, is_open))
            div.prose id=(reasoning_id(id)) { (PreEscaped(html)) }
        }
    }
}

/// The folded line of a reasoning row.
pub fn reasoning_summary(id: &str, bytes: usize, is_open: bool) -> Markup {
    html! {
        summary id=(format!("{id}-s")) {
            (icon("think"))
            @if is_open { span.working { "Thinking" } }
            @else { span { "Thought" } span.tool-outcome { (bytes.div_ceil(6)) " words" } }
        }
    }
}

/// Any row but the ones that grow.
pub fn row(id: &str, row: &Row<'_>, highlighter: &Highlighter, place: &Place<'_>) -> Markup {
    match &row.kind {
        RowKind::Prompt(user, parts) => prompt(id, user, parts),
        RowKind::Text { text, .. } => prose(id, &markdown::render(text, &prose_id(id), highlighter)),
        RowKind::Reasoning { text, .. } => {
            let html = markdown::render(text, &reasoning_id(id), highlighter);
            reasoning(id, &html, text.len(), false)
        }
        RowKind::Tool {
            call, waits, is_cut, ..
        } => tool::tool_row(id, call, *waits, *is_cut, place),
        RowKind::Looks(calls) => looks(id, calls, place),
        RowKind::Other(part) => other(id, part, place),
        RowKind::Broken(step) => broken(id, step),
        RowKind::End(end) => turn_end(id, end),
    }
}

/// The words of a prompt, as they were typed.
fn words_of(parts: &[&Part]) -> String {
    let texts = parts.iter().filter_map(|part| {
        let PartKind::Text { text, .. } = &part.kind else {
            return None;
        };
        Some(text.as_str())
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn prompt(id: &str, user: &User, parts: &[&Part]) -> Markup {
    let words = words_of(parts);
    html! {
        article.prompt id=(id) data-message=(user.id) {
            h2.unseen { "You" }
            @if !words.is_empty() { p.prompt-text { (clean(&words)) } }
            @for part in parts {
                @match &part.kind {
                    PartKind::File(file) => { (attachment(file)) }
                    PartKind::Agent { name } => { span.chip { (icon("agent")) (clean(name)) } }
                    _ => {}
                }
            }
        }
    }
}

/// A file in a message. Pictures that came with the message are shown; nothing is ever fetched from elsewhere.
pub fn attachment(file: &Attachment) -> Markup {
    let name = file.filename.as_deref().unwrap_or("file");
    let is_picture = matches!(
        file.mime.as_str(),
        "image/png" | "image/jpeg" | "image/gif" | "image/webp"
    ) && file.url.starts_with(&format!("data:{};base64,", file.mime));
    html! {
        @if is_picture {
            figure.picture { img src=(file.url) alt=(clean(name)); figcaption { (clean(name)) } }
        } @else {
            span.chip { (icon("file")) (clean(name)) " " span.muted { (clean(&file.mime)) } }
        }
    }
}

fn looks(id: &str, calls: &[&ToolCall], place: &Place<'_>) -> Markup {
    if let [call] = calls {
        return tool::tool_row(id, call, false, false, place);
    }
    let reads = calls.iter().filter(|call| call.tool == "read").count();
    let searches = calls.len() - reads;
    let mut words = Vec::new();
    match reads {
        0 => {}
        1 => words.push("read 1 file".to_owned()),
        many => words.push(format!("read {many} files")),
    }
    match searches {
        0 => {}
        1 => words.push("looked around once".to_owned()),
        many => words.push(format!("looked around {many} times")),
    }
    let words = words.join(", ");
    let (first, rest) = words.split_at(1);
    html! {
        details.tool.looks id=(id) data-state="done" {
            summary {
                (icon("read"))
                span.tool-verb { (first.to_uppercase()) (rest) }
                span.tool-outcome { (icon("check")) }
            }
            div.tool-body {
                @for (index, call) in calls.iter().enumerate() {
                    (tool::tool_row(&format!("{id}-{index}"), call, false, false, place))
                }
            }
        }
    }
}

fn other(id: &str, part: &Part, place: &Place<'_>) -> Markup {
    match &part.kind {
        PartKind::Patch { files } => html! {
            details.tool id=(id) data-state="done" {
                summary {
                    (icon("branch"))
                    span.tool-verb { "Changed " (files.len()) @if files.len() == 1 { " file" } @else { " files" } }
                }
                ul.files { @for file in files { li { code { (clean(&place.short(file))) } } } }
            }
        },
        PartKind::File(file) => html! { div id=(id) { (attachment(file)) } },
        PartKind::Compaction { is_automatic } => html! {
            p.divider id=(id) {
                span { "The conversation so far was summarised" @if *is_automatic { " because it filled the model's context" } }
            }
        },
        PartKind::Subtask {
            description, agent, ..
        } => html! {
            p.divider id=(id) { span { (clean(agent)) ": " (clean(description)) } }
        },
        PartKind::Other { name, value } => html! {
            details.tool id=(id) data-state="done" {
                summary { (icon("tool")) span.tool-verb { (clean(name)) } }
                pre.output tabindex="0" { (clean(&shortened(&value.to_string(), 4000))) }
            }
        },
        PartKind::Text { .. }
        | PartKind::Reasoning { .. }
        | PartKind::Tool(_)
        | PartKind::StepStart { .. }
        | PartKind::StepFinish { .. }
        | PartKind::Agent { .. }
        | PartKind::Snapshot { .. }
        | PartKind::Retry { .. } => html! { div id=(id) hidden {} },
    }
}

fn broken(id: &str, step: &Assistant) -> Markup {
    let Some(error) = &step.error else {
        return html! { div id=(id) hidden {} };
    };
    if error.is_abort() {
        return html! { p.divider id=(id) { span { "Stopped by you" } } };
    }
    html! {
        div.message id=(id) role="alert" data-tone="bad" {
            (icon("shape-alert"))
            div {
                p { strong { (failure_title(&error.name)) } " " (clean(&shortened(error.message(), 1200))) }
                p.help { (failure_advice(&error.name)) }
            }
        }
    }
}

fn failure_title(name: &str) -> &'static str {
    match name {
        "ProviderAuthError" => "The model's vendor did not accept the key.",
        "MessageOutputLengthError" => "The answer reached the model's length limit.",
        "ContextOverflowError" => "The conversation no longer fits into the model's context.",
        "ContentFilterError" => "The vendor's filter stopped the answer.",
        "APIError" => "The model's vendor refused.",
        _ => "The turn failed.",
    }
}

fn failure_advice(name: &str) -> &'static str {
    match name {
        "ProviderAuthError" => "Check the key with opencode auth login, then send your message again.",
        "MessageOutputLengthError" => "Ask it to continue.",
        "ContextOverflowError" => "Start a new session, or ask for less at once.",
        _ => "Nothing is lost: send your message again, or choose another model below.",
    }
}

fn turn_end(id: &str, end: &TurnEnd<'_>) -> Markup {
    let said = end
        .last_words
        .map(|words| shortened(words, ANNOUNCED_CHARS_MAX).into_owned());
    let mut facts = Vec::new();
    if let Some(seconds) = end.seconds {
        facts.push(web::time::span(std::time::Duration::from_secs(seconds)));
    }
    if end.tokens > 0 {
        facts.push(format!("{} tokens", tokens(end.tokens)));
    }
    if end.cost > 0.0 {
        facts.push(cost(end.cost));
    }
    html! {
        div.turn-end id=(id) data-announce=[said.map(|said| clean(&said).into_owned())] {
            @if end.is_cut {
                span { (icon("shape-alert")) "Cut off" }
            } @else {
                span { (facts.join(" · ")) }
            }
        }
    }
}

/// E.g. `14k`.
pub fn tokens(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..1_000_000 => format!("{}k", count / 1000),
        _ => format!("{}.{}M", count / 1_000_000, count / 100_000 % 10),
    }
}

/// E.g. `$0.02`.
pub fn cost(dollars: f64) -> String {
    if dollars >= 0.01 {
        format!("${dollars:.2}")
    } else {
        format!("${dollars:.4}")
    }
}
