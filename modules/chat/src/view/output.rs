//! What tools print.

use maud::{Markup, html};
use opencode::wire::{ToolCall, ToolState};

use crate::text::{escape_into, terminal};

/// Lines of output shown before "show all".
const OUTPUT_LINES_FIRST: usize = 12;
/// Output drawn at most; the rest is counted.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// What a running command has printed so far.
pub fn running_output(call: &ToolCall) -> Option<&str> {
    let ToolState::Running { metadata, .. } = &call.state else {
        return None;
    };
    (call.tool == "bash").then(|| {
        metadata
            .get("output")
            .and_then(|output| output.as_str())
            .unwrap_or_default()
    })
}

/// Output in full up to a dozen lines, then behind "show all".
pub fn output_block(output: &str) -> Markup {
    let text = terminal(output);
    let text = text.trim_end();
    let shown = shown_bytes(text);
    let lines = shown.lines().count();
    let first = shown
        .match_indices('\n')
        .nth(OUTPUT_LINES_FIRST - 1)
        .map(|(at, _)| at);
    html! {
        @if !text.is_empty() {
            @match first {
                Some(at) if lines > OUTPUT_LINES_FIRST => {
                    pre.output tabindex="0" { (shown[..at]) }
                    details.more {
                        summary { "Show all (" (text.lines().count()) " lines)" }
                        pre.output tabindex="0" { (shown[at + 1..]) }
                        @if shown.len() < text.len() {
                            p.help { (text.len() - shown.len()) " more bytes are not shown here." }
                        }
                    }
                }
                _ => { pre.output tabindex="0" { (shown) } }
            }
        }
    }
}

fn shown_bytes(text: &str) -> &str {
    let mut end = text.len().min(OUTPUT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The card with what its command has printed so far.
pub fn with_output(card: &str, id: &str, output: &str) -> String {
    let mark = format!("id=\"{id}-o\">");
    let Some(at) = card.find(&mark) else {
        return card.to_owned();
    };
    let (before, after) = card.split_at(at + mark.len());
    let mut html = before.to_owned();
    escape_into(&mut html, output);
    html.push_str(after);
    html
}
