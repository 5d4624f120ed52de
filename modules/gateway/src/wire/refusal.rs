//! The end of a connection, with a word where one is owed.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use axum::http::{HeaderMap, HeaderValue, header};
use kit::Listener;
use serde_json::json;

use crate::{headers::harden, scan::Refusal};

/// How much of what a peer still sends is read after the last word, so that the word is not lost in a reset.
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long.
const LINGER_MAX: Duration = Duration::from_secs(2);

/// The last word, with the headers every answer has.
fn answer(refusal: Refusal, listener: Listener) -> String {
    let (status, code, text) = match refusal {
        Refusal::Ambiguous => ("400 Bad Request", "bad_request", "The request is malformed."),
        Refusal::Method => ("405 Method Not Allowed", "method", "This method is not served."),
        Refusal::LongTarget => ("414 URI Too Long", "long_address", "The address is too long."),
        Refusal::LargeHead => (
            "431 Request Header Fields Too Large",
            "large_head",
            "The header is too large.",
        ),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    harden(&mut headers, listener);
    let mut word = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in &headers {
        if let Ok(value) = value.to_str() {
            word.extend([name.as_str(), ": ", value, "\r\n"]);
        }
    }
    word.extend([
        "\r\n",
        &json!({"error": {"code": code, "message": text}}).to_string(),
        "\n",
    ]);
    word
}

/// Says the last word, closes our half, and reads what still comes for a moment.
pub(super) struct Farewell {
    listener: Listener,
    written: usize,
    is_closed: bool,
    drained: usize,
    linger: Option<Pin<Box<Sleep>>>,
}

impl Farewell {
    /// For a connection of `listener`.
    pub(super) fn of(listener: Listener) -> Self {
        Self {
            listener,
            written: 0,
            is_closed: false,
            drained: 0,
            linger: None,
        }
    }

    pub(super) fn poll<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        refusal: Option<Refusal>,
        is_sending: bool,
    ) -> Poll<io::Result<()>> {
        let word = refusal
            .map(|refusal| answer(refusal, self.listener))
            .unwrap_or_default();
        let word = word.as_bytes();
        let linger = self
            .linger
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER_MAX)));
        while self.written < word.len() {
            match Pin::new(&mut *stream).poll_write(cx, &word[self.written..])? {
                Poll::Ready(0) => return Poll::Ready(Ok(())),
                Poll::Ready(count) => self.written += count,
                Poll::Pending => return linger.as_mut().poll(cx).map(Ok),
            }
        }
        if !self.is_closed {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            self.is_closed = true;
        }
        if !is_sending {
            return Poll::Ready(Ok(()));
        }
        let mut space = [std::mem::MaybeUninit::<u8>::uninit(); 16 * 1024];
        while self.drained < LINGER_BYTES_MAX {
            let mut buffer = ReadBuf::uninit(&mut space);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.drained += buffer.filled().len(),
                Poll::Ready(_) => break,
                Poll::Pending => return linger.as_mut().poll(cx).map(Ok),
            }
        }
        Poll::Ready(Ok(()))
    }
}
