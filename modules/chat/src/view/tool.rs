//! A card per kind of tool: one quiet line that unfolds.

use std::time::Duration;

use maud::{Markup, html};
use opencode::wire::{Span, ToolCall, ToolState};
use serde_json::{Map, Value};
use web::icon;

use super::{
    Place,
    diff::{self, Diff},
    output::output_block,
};
use crate::text::{clean, shortened};

/// Characters of a command or path in a card's line.
const TARGET_CHARS_MAX: usize = 160;
/// Shorter calls say no duration.
const DURATION_MIN: Duration = Duration::from_millis(1000);

/// The words of a card's line.
struct Line {
    icon: &'static str,
    verb: &'static str,
    target: String,
    is_code: bool,
}

fn field<'a>(map: &'a Map<String, Value>, name: &str) -> &'a str {
    map.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn input(call: &ToolCall) -> Option<&Map<String, Value>> {
    call.state.input()
}

fn metadata(call: &ToolCall) -> Option<&Map<String, Value>> {
    match &call.state {
        ToolState::Running { metadata, .. }
        | ToolState::Completed { metadata, .. }
        | ToolState::Error { metadata, .. } => Some(metadata),
        ToolState::Pending {} | ToolState::Other => None,
    }
}

fn span(call: &ToolCall) -> Option<Span> {
    match &call.state {
        ToolState::Running { time, .. }
        | ToolState::Completed { time, .. }
        | ToolState::Error { time, .. } => Some(*time),
        ToolState::Pending {} | ToolState::Other => None,
    }
}

fn line(call: &ToolCall, place: &Place<'_>) -> Line {
    let empty = Map::new();
    let input = input(call).unwrap_or(&empty);
    let path = || {
        let path = field(input, "filePath");
        place
            .short(if path.is_empty() {
                field(input, "path")
            } else {
                path
            })
            .into_owned()
    };
    let text = |name: &str| field(input, name).to_owned();
    let (icon, verb, target, is_code) = match call.tool.as_str() {
        "bash" => ("terminal", "Run", text("command"), true),
        "read" => ("read", "Read", path(), true),
        "write" => ("file", "Write", path(), true),
        "edit" => ("edit", "Edit", path(), true),
        "apply_patch" | "patch" => ("edit", "Patch", String::new(), false),
        "glob" => ("search", "Find", text("pattern"), true),
        "grep" => ("search", "Search", text("pattern"), true),
        "list" => ("folder", "List", path(), true),
        "webfetch" => ("globe", "Fetch", text("url"), true),
        "websearch" => ("globe", "Search the web", text("query"), false),
        "todowrite" | "todoread" => ("todo", "Plan", todo_summary(call), false),
        "task" => ("task", "Sub-agent", text("description"), false),
        "question" => ("question", "Ask", first_question(input), false),
        "skill" => ("agent", "Skill", text("name"), false),
        "invalid" => ("tool", "Unknown tool", text("tool"), true),
        other => ("tool", "Tool", other.to_owned(), true),
    };
    Line {
        icon,
        verb,
        target,
        is_code,
    }
}

fn first_question(input: &Map<String, Value>) -> String {
    let first = input.get("questions").and_then(|list| list.get(0));
    let words = first
        .and_then(|first| first.get("question"))
        .and_then(Value::as_str);
    words.unwrap_or_default().to_owned()
}

fn todos(call: &ToolCall) -> Vec<(&str, &str)> {
    let list = metadata(call)
        .and_then(|metadata| metadata.get("todos"))
        .or_else(|| input(call).and_then(|input| input.get("todos")))
        .and_then(Value::as_array);
    list.map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|todo| {
            let text = |name: &str| todo.get(name).and_then(Value::as_str).unwrap_or_default();
            (text("status"), text("content"))
        })
        .collect()
}

fn todo_summary(call: &ToolCall) -> String {
    let todos = todos(call);
    let done = todos.iter().filter(|(status, _)| *status == "completed").count();
    format!("{done} of {} done", todos.len())
}

/// What a call is doing, for a session's card, e.g. `"running cargo test"`.
pub fn doing(call: &ToolCall, place: &Place<'_>) -> String {
    let line = line(call, place);
    let verb = match line.verb {
        "Run" => "running",
        "Read" => "reading",
        "Write" => "writing",
        "Edit" => "editing",
        "Patch" => "patching files",
        "Find" | "Search" => "searching",
        "List" => "looking into",
        "Fetch" => "fetching",
        "Search the web" => "searching the web:",
        "Plan" => return "planning".to_owned(),
        "Sub-agent" => "sub-agent:",
        "Ask" => return "asking you".to_owned(),
        _ => "using",
    };
    let target = one_line(&line.target);
    shortened(format!("{verb} {target}").trim(), 80).into_owned()
}

/// The card of one call.
pub fn tool_row(id: &str, call: &ToolCall, waits: bool, is_cut: bool, place: &Place<'_>) -> Markup {
    let line = line(call, place);
    let state = state_of(call, waits, is_cut);
    // What went wrong is open; so is what a running command prints. What waits is shown above the composer.
    let is_open = state == "failed" || state == "running" && call.tool == "bash";
    html! {
        details.tool id=(id) data-state=(state) open[is_open] {
            summary {
                (icon(line.icon))
                span.tool-verb { (line.verb) }
                @if !line.target.is_empty() {
                    @if line.is_code { code.tool-target { (shortened(&one_line(&line.target), TARGET_CHARS_MAX)) } }
                    @else { span.tool-target { (shortened(&one_line(&line.target), TARGET_CHARS_MAX)) } }
                }
                span.tool-outcome { (outcome(call, state)) }
            }
            div.tool-body { (body(id, call, place)) }
        }
    }
}

fn state_of(call: &ToolCall, waits: bool, is_cut: bool) -> &'static str {
    match (&call.state, waits, is_cut) {
        // A call of a tool that is not there ends like any other; what it says is why it failed.
        (ToolState::Completed { .. }, ..) if call.tool == "invalid" => "failed",
        (ToolState::Completed { .. }, ..) => "done",
        (ToolState::Error { .. }, ..) => "failed",
        (_, true, _) => "waiting",
        (_, _, true) => "cut",
        (ToolState::Pending {} | ToolState::Running { .. } | ToolState::Other, ..) => "running",
    }
}

fn outcome(call: &ToolCall, state: &str) -> Markup {
    let duration = span(call).and_then(|span| Some(span.end?.0.saturating_sub(span.start.0)));
    let duration = duration
        .map(Duration::from_millis)
        .filter(|length| *length >= DURATION_MIN);
    html! {
        @match state {
            "running" => { span.working { "working" } }
            "waiting" => { "waiting for you" }
            "cut" => { "cut off" }
            "failed" => { "failed" }
            _ => { (result_words(call)) }
        }
        @if let Some(length) = duration { " · " (web::time::span(length)) }
    }
}

fn result_words(call: &ToolCall) -> Markup {
    let exit = metadata(call)
        .and_then(|metadata| metadata.get("exit"))
        .and_then(Value::as_i64);
    let patch = patch_of(call);
    html! {
        @match (call.tool.as_str(), exit) {
            ("bash", Some(0)) => { span.unseen { "succeeded" } (icon("check")) }
            ("bash", Some(code)) => { span.exit { "exit " (code) } }
            _ => {
                @if let Some(patch) = &patch { (diff::counts(&Diff::read(patch, diff::LINES_MAX))) }
                @else { span.unseen { "done" } (icon("check")) }
            }
        }
    }
}

/// The diff a call made or would make.
fn patch_of(call: &ToolCall) -> Option<String> {
    let known = metadata(call).and_then(|metadata| {
        let patch = metadata.get("filediff").and_then(|diff| diff.get("patch"));
        patch.or_else(|| metadata.get("diff")).and_then(Value::as_str)
    });
    if let Some(patch) = known {
        return Some(patch.to_owned());
    }
    let input = input(call)?;
    match call.tool.as_str() {
        "edit" => Some(diff::between(
            field(input, "oldString"),
            field(input, "newString"),
        )),
        "write" => Some(diff::between("", field(input, "content"))),
        _ => None,
    }
}

fn body(id: &str, call: &ToolCall, place: &Place<'_>) -> Markup {
    let empty = Map::new();
    let input = input(call).unwrap_or(&empty);
    html! {
        @match call.tool.as_str() {
            "bash" => {
                div.shell {
                    pre.shell-command tabindex="0" { code { "$ " (clean(field(input, "command"))) } }
                    @if let ToolState::Completed { output, .. } = &call.state { (output_block(output)) }
                    @else if matches!(call.state, ToolState::Running { .. }) {
                        pre.output.running tabindex="0" data-stick id=(format!("{id}-o")) {}
                    }
                }
            }
            "edit" | "write" => {
                @if let Some(patch) = patch_of(call) { (diff::view(&Diff::read(&patch, diff::LINES_MAX), clean)) }
            }
            "todowrite" | "todoread" => { (todo_list(call)) }
            "task" => { (task(call, input, place)) }
            "question" => {
                @if let ToolState::Completed { output, .. } = &call.state { (output_block(output)) }
            }
            "apply_patch" | "patch" => {
                (output_block(field(input, "patchText")))
                @if let ToolState::Completed { output, .. } = &call.state { (output_block(output)) }
            }
            "read" => { (output_block(read_text(call))) }
            "invalid" => {
                @if let ToolState::Completed { output, .. } = &call.state { p.tool-error { (clean(output)) } }
            }
            _ => {
                @if !input.is_empty() { (arguments(input)) }
                @if let ToolState::Completed { output, .. } = &call.state { (output_block(output)) }
            }
        }
        @if let ToolState::Error { error, .. } = &call.state { p.tool-error { (clean(error)) } }
        @if let ToolState::Completed { attachments, .. } = &call.state {
            @for file in attachments { (super::message::attachment(file)) }
        }
    }
}

fn read_text(call: &ToolCall) -> &str {
    let shown = metadata(call)
        .and_then(|metadata| metadata.get("display"))
        .and_then(|display| display.get("text"))
        .and_then(Value::as_str);
    match &call.state {
        ToolState::Completed { output, .. } => shown.unwrap_or(output),
        ToolState::Pending {} | ToolState::Running { .. } | ToolState::Error { .. } | ToolState::Other => "",
    }
}

fn arguments(input: &Map<String, Value>) -> Markup {
    html! {
        dl.arguments {
            @for (name, value) in input {
                div {
                    dt { (clean(name)) }
                    dd { code { (shortened(&clean(&plain(value)), 2000)) } }
                }
            }
        }
    }
}

/// A value as it is read: text as it is, anything else as JSON.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn todo_list(call: &ToolCall) -> Markup {
    html! {
        ul.todos {
            @for (status, content) in todos(call) {
                li data-status=(status) {
                    span.todo-mark aria-hidden="true" {
                        @match status { "completed" => "☑", "in_progress" => "◐", "cancelled" => "☒", _ => "☐" }
                    }
                    span.unseen { (status.replace('_', " ")) ": " }
                    span { (clean(content)) }
                }
            }
        }
    }
}

fn task(call: &ToolCall, input: &Map<String, Value>, _place: &Place<'_>) -> Markup {
    let child = metadata(call)
        .map(|metadata| field(metadata, "sessionId"))
        .unwrap_or_default();
    html! {
        @if !field(input, "prompt").is_empty() { p.task-prompt { (clean(field(input, "prompt"))) } }
        @if child.starts_with("ses_") {
            p { a href=(format!("/chat/{child}")) { "Open the sub-agent's session" } }
        }
        @if let ToolState::Completed { output, .. } = &call.state { (output_block(inner_result(output))) }
    }
}

/// A sub-agent's answer without the envelope the server puts around it for the model.
fn inner_result(output: &str) -> &str {
    let start = output
        .find("<task_result>")
        .map_or(0, |at| at + "<task_result>".len());
    let end = output[start..]
        .find("</task_result>")
        .map_or(output.len(), |at| start + at);
    output[start..end].trim()
}

fn one_line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(tool: &str, state: &Value) -> String {
        let call = serde_json::from_value(json!({ "callID": "c", "tool": tool, "state": state })).unwrap();
        let place = Place {
            directory: "/home/ann/shop",
            home: "/home/ann",
        };
        tool_row("t", &call, false, false, &place).into_string()
    }

    #[test]
    fn a_call_of_a_tool_that_is_not_there_has_failed() {
        let html = row(
            "invalid",
            &json!({
                "status": "completed", "title": "Invalid Tool", "metadata": {}, "time": { "start": 1, "end": 2 },
                "input": { "tool": "conjure", "error": "No <such> tool." }, "output": "Invalid: No <such> tool.",
            }),
        );

        assert!(html.contains(r#"data-state="failed" open"#), "{html}");
        assert!(html.contains(r#"<code class="tool-target">conjure</code>"#));
        assert!(html.contains(r#"<span class="tool-outcome">failed</span>"#) && !html.contains("done"));
        assert!(html.contains(r#"<p class="tool-error">Invalid: No &lt;such&gt; tool.</p>"#));
    }

    #[test]
    fn a_folder_that_is_listed_says_which_and_what_is_there() {
        let html = row(
            "list",
            &json!({
                "status": "completed", "title": "src", "metadata": { "count": 2 }, "time": { "start": 1, "end": 2 },
                "input": { "path": "/home/ann/shop/src" }, "output": "/home/ann/shop/src/\n  main.rs\n",
            }),
        );

        assert!(
            html.contains(r#"data-state="done""#) && !html.contains("open"),
            "{html}"
        );
        assert!(html.contains(r#"<span class="tool-verb">List</span>"#));
        assert!(html.contains(r#"<code class="tool-target">src</code>"#));
        assert!(html.contains("done") && html.contains("main.rs"));
    }
}
