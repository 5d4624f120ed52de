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

use crate::scan::Refusal;

/// How much of what a peer still sends is read after the last word, so that the word is not lost in a reset.
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long.
const LINGER_MAX: Duration = Duration::from_secs(2);

macro_rules! answer {
    ($status:literal, $code:literal, $text:literal) => {
        concat!(
            "HTTP/1.1 ",
            $status,
            "\r\nContent-Type: application/json; charset=utf-8\r\nConnection: close\r\n",
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n",
            "Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Resource-Policy: same-origin\r\n",
            "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n\r\n",
            "{\"error\":{\"code\":\"",
            $code,
            "\",\"message\":\"",
            $text,
            "\"}}\n"
        )
    };
}

fn answer(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Ambiguous => answer!("400 Bad Request", "bad_request", "The request is malformed."),
        Refusal::Method => answer!("405 Method Not Allowed", "method", "This method is not served."),
        Refusal::LongTarget => answer!("414 URI Too Long", "long_address", "The address is too long."),
        Refusal::LargeHead => {
            answer!(
                "431 Request Header Fields Too Large",
                "large_head",
                "The header is too large."
            )
        }
    }
}

/// Says the last word, closes our half, and reads what still comes for a moment.
#[derive(Default)]
pub(super) struct Farewell {
    written: usize,
    is_closed: bool,
    drained: usize,
    linger: Option<Pin<Box<Sleep>>>,
}

impl Farewell {
    pub(super) fn poll<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        refusal: Option<Refusal>,
        is_sending: bool,
    ) -> Poll<io::Result<()>> {
        let word = refusal.map(answer).unwrap_or_default().as_bytes();
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
