//! From a step of a script to the chunks of a stream.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, future::Either, stream};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::{request::Asked, script::Item, text};

/// Endless talk is never faster than anybody could want it.
const ENDLESS_RATE: u32 = 200;

/// How an answer is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Tokens a second; 0 means no brake.
    pub(super) rate: u32,
    /// Tokens after which the connection breaks.
    pub(super) cut_after: Option<u32>,
}

/// The body of one answer: server-sent events, one token each.
pub(super) fn stream(
    items: Vec<Item>,
    manner: Manner,
    asked: Asked,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static {
    let is_endless = items.contains(&Item::Endless);
    let rate = if is_endless && manner.rate == 0 {
        ENDLESS_RATE
    } else {
        manner.rate
    };
    let events =
        paced(events(items, &asked), rate).map(|event| Ok(Bytes::from(format!("data: {event}\n\n"))));
    match manner.cut_after {
        None => Either::Left(events),
        Some(tokens) => {
            let broken = stream::once(async { Err(io::Error::other("the script cuts here")) });
            Either::Right(events.take(tokens as usize).chain(broken))
        }
    }
}

fn events(items: Vec<Item>, asked: &Asked) -> impl Iterator<Item = String> + Send + use<> {
    let model = asked.model.clone();
    let is_call = matches!(items.last(), Some(Item::Call { .. }));
    let deltas: Box<dyn Iterator<Item = Value> + Send> =
        Box::new(items.into_iter().enumerate().flat_map(deltas));
    let head = json!({"role": "assistant", "content": ""});
    let named = model.clone();
    let said = std::iter::once(head)
        .chain(deltas)
        .map(move |delta| chunk(&named, &delta, None));
    let finish = chunk(
        &model,
        &json!({}),
        Some(if is_call { "tool_calls" } else { "stop" }),
    );
    let usage = json!({
        "id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": [],
        "usage": {
            "prompt_tokens": asked.input_tokens, "completion_tokens": 100, "total_tokens": asked.input_tokens + 100,
        },
    });
    said.chain([finish, usage.to_string(), "[DONE]".to_owned()])
}

fn deltas((number, item): (usize, Item)) -> Box<dyn Iterator<Item = Value> + Send> {
    let each = |text: &str, member: &'static str| {
        let pieces: Vec<_> = text::tokens(text).into_iter().map(str::to_owned).collect();
        Box::new(pieces.into_iter().map(move |piece| json!({ member: piece })))
    };
    match item {
        Item::Say(text) => each(&text, "content"),
        Item::Bulk(text) => Box::new(
            text::lumps(&text)
                .into_iter()
                .map(|lump| json!({ "content": lump })),
        ),
        Item::Think(text) => each(&text, "reasoning_content"),
        Item::Endless => Box::new(std::iter::repeat_with(|| json!({"content": "on and "}))),
        Item::Call { tool, input } => {
            let function = json!({"name": tool, "arguments": input.to_string()});
            let call =
                json!({"index": 0, "id": format!("call_{number}"), "type": "function", "function": function});
            Box::new(std::iter::once(json!({"tool_calls": [call]})))
        }
    }
}

fn chunk(model: &str, delta: &Value, finish: Option<&str>) -> String {
    json!({
        "id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 0, "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    })
    .to_string()
}

/// Sends each event when it is due, counted from the start, so that a slow reader does not slow the model down.
fn paced(
    events: impl Iterator<Item = String> + Send + 'static,
    rate: u32,
) -> impl Stream<Item = String> + Send + 'static {
    let start = Instant::now();
    let pause = Duration::from_secs(1).checked_div(rate);
    stream::iter(events.enumerate()).then(move |(number, event)| async move {
        if let Some(pause) = pause {
            sleep_until(start + pause * u32::try_from(number).unwrap_or(u32::MAX)).await;
        }
        event
    })
}
