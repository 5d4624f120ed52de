//! From a request to a stream of chunks.

use std::{convert::Infallible, io, time::Duration};

use axum::{
    body::Body as HttpBody,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::{
    Shared,
    script::{self, Body, Script, ToolCall},
    text,
    wire::{self, Request},
};

pub(super) fn respond(shared: &Shared, request: &Request) -> Response {
    let asked = request
        .messages
        .iter()
        .rposition(|message| message.role == "user");
    let prompt = asked.map(|at| request.messages[at].text()).unwrap_or_default();
    if is_title(request) {
        let title: Vec<_> = script::plain(&prompt)
            .split(' ')
            .take(6)
            .map(str::to_owned)
            .collect();
        return streamed(shared, said(&title.join(" "), "", None), None);
    }
    shared
        .seen
        .lock()
        .expect("nothing panics while it is held")
        .push(prompt.clone());
    let script = script::parse(&prompt);
    let attempt = {
        let mut attempts = shared.attempts.lock().expect("nothing panics while it is held");
        let count = attempts.entry(prompt.clone()).or_default();
        *count += 1;
        *count
    };
    if let Some(fault) = script.error.filter(|fault| attempt <= fault.times) {
        return refused(fault.value);
    }
    let done = steps_done(request, asked);
    if let Some(tool) = script.tools.get(done) {
        return streamed(shared, called(tool, done), None);
    }
    let cut = script
        .cut
        .filter(|fault| attempt <= fault.times)
        .map(|fault| fault.value as usize);
    streamed(shared, closing(&script, &prompt), cut)
}

/// opencode asks for a title with a system prompt of its own and no tools.
fn is_title(request: &Request) -> bool {
    request.tools.is_empty()
        && request
            .messages
            .iter()
            .any(|message| message.role == "system" && message.text().to_lowercase().contains("title"))
}

/// How many of the script's tools were called since the person last spoke.
fn steps_done(request: &Request, asked: Option<usize>) -> usize {
    let since = request.messages.iter().skip(asked.map_or(0, |at| at + 1));
    since
        .filter(|message| message.role == "assistant" && !message.tool_calls.is_empty())
        .count()
}

fn refused(status: u32) -> Response {
    let code = u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok());
    let body = json!({"error": {"message": format!("scripted failure {status}"), "type": "server_error"}});
    (
        code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        axum::Json(body),
    )
        .into_response()
}

/// What is sent, one chunk a token, with the pause between two.
struct Chunks {
    chunks: Box<dyn Iterator<Item = String> + Send>,
    rate: Option<u32>,
}

fn closing(script: &Script, prompt: &str) -> Chunks {
    let thoughts = text::words(script.reasoning);
    match &script.body {
        Body::Demo => said(&text::demo(&script::plain(prompt)), &thoughts, script.rate),
        Body::Say(text) => said(text, &thoughts, script.rate),
        Body::Tokens(count) => said(&text::words(*count), &thoughts, script.rate),
        Body::Markdown(count) => said(&text::markdown(*count), &thoughts, script.rate),
        Body::Paragraph(bytes) => said(&text::paragraph(*bytes), &thoughts, script.rate),
        Body::Endless => {
            let words = std::iter::repeat_with(|| wire::chunk(&json!({"content": "on and "}), None));
            // Endless, but never faster than anybody could want it.
            Chunks {
                chunks: Box::new(words),
                rate: script.rate.or(Some(200)),
            }
        }
    }
}

fn said(text: &str, thoughts: &str, rate: Option<u32>) -> Chunks {
    let mut chunks = vec![wire::chunk(&json!({"role": "assistant", "content": ""}), None)];
    chunks
        .extend(text::pieces(thoughts).map(|piece| wire::chunk(&json!({"reasoning_content": piece}), None)));
    chunks.extend(text::pieces(text).map(|piece| wire::chunk(&json!({"content": piece}), None)));
    let count = chunks.len();
    chunks.push(wire::chunk(&json!({}), Some("stop")));
    chunks.push(wire::usage(1200, count));
    chunks.push(wire::DONE.to_owned());
    Chunks {
        chunks: Box::new(chunks.into_iter()),
        rate,
    }
}

fn called(tool: &ToolCall, step: usize) -> Chunks {
    let call = json!({"index": 0, "id": format!("call_{step}"), "type": "function", "function": {
        "name": tool.name, "arguments": tool.arguments.to_string(),
    }});
    let chunks = [
        wire::chunk(
            &json!({"role": "assistant", "content": null, "tool_calls": [call]}),
            None,
        ),
        wire::chunk(&json!({}), Some("tool_calls")),
        wire::usage(1200, 20),
        wire::DONE.to_owned(),
    ];
    Chunks {
        chunks: Box::new(chunks.into_iter()),
        rate: None,
    }
}

fn streamed(shared: &Shared, chunks: Chunks, cut: Option<usize>) -> Response {
    let stop = shared.stop.clone();
    let sent = paced(chunks)
        .map(Ok::<_, Infallible>)
        .take_until(stop.cancelled_owned());
    let content = [(CONTENT_TYPE, "text/event-stream")];
    match cut {
        None => (content, HttpBody::from_stream(sent)).into_response(),
        Some(tokens) => {
            let broken = stream::once(async { Err(io::Error::other("scripted cut")) });
            let sent = sent
                .map(|chunk| chunk.map_err(|never| match never {}))
                .take(tokens)
                .chain(broken);
            (content, HttpBody::from_stream(sent)).into_response()
        }
    }
}

/// Sends each chunk when it is due, counted from the start, so that a slow reader does not slow the model down.
fn paced(chunks: Chunks) -> impl Stream<Item = String> + Send {
    let start = Instant::now();
    let pause = chunks.rate.map(|rate| Duration::from_secs(1) / rate);
    stream::iter(chunks.chunks.enumerate()).then(move |(number, chunk)| async move {
        if let Some(pause) = pause {
            sleep_until(start + pause * u32::try_from(number).unwrap_or(u32::MAX)).await;
        }
        chunk
    })
}
