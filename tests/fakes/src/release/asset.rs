//! One answer with a file, or a part of it, and what is wrong with it.

use std::{io, ops::Range, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use super::{Fault, Rules};

/// How much goes out at once.
const PIECE_BYTES: usize = 64 * 1024;
/// A failure throws away what was not written yet.
const FLUSHED_AFTER: Duration = Duration::from_millis(100);

pub(super) fn answer(content: &Bytes, sha256: &str, headers: &HeaderMap, rules: &Rules) -> Response<Body> {
    if let Fault::Status(code) = rules.fault {
        return empty(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    }
    let tag = format!("\"{}\"", &sha256[..16]);
    let total = content.len();
    let part = if rules.ignores_ranges {
        Ok(None)
    } else {
        part(headers, &tag, total)
    };
    let Ok(part) = part else {
        let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
        set(&mut response, header::CONTENT_RANGE, &format!("bytes */{total}"));
        return response;
    };
    let range = part.clone().unwrap_or(0..total);
    let mut bytes = content.slice(range.clone());
    if rules.fault == Fault::WrongBytes && range.end == total {
        let mut wrong = bytes.to_vec();
        if let Some(last) = wrong.last_mut() {
            *last ^= 1;
        }
        bytes = wrong.into();
    }
    let length = bytes.len() as u64;
    let mut response = Response::new(body(bytes, rules));
    if part.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let shown = format!("bytes {}-{}/{total}", range.start, range.end - 1);
        set(&mut response, header::CONTENT_RANGE, &shown);
    }
    let promised = match rules.fault {
        Fault::Endless => None,
        Fault::LengthLies(more) => Some(length + more),
        Fault::None | Fault::WrongBytes | Fault::Cut(_) | Fault::Status(_) | Fault::Silent => Some(length),
    };
    if let Some(promised) = promised {
        set(&mut response, header::CONTENT_LENGTH, &promised.to_string());
    }
    if !rules.ignores_ranges {
        set(&mut response, header::ACCEPT_RANGES, "bytes");
    }
    set(&mut response, header::ETAG, &tag);
    set(&mut response, header::CONTENT_TYPE, "application/octet-stream");
    response
}

/// The bytes asked for; `None` when that is all. A part of another file is no use: `If-Range` asks for all then.
fn part(headers: &HeaderMap, tag: &str, total: usize) -> Result<Option<Range<usize>>, ()> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let Some(asked) = text(header::RANGE).and_then(|range| range.strip_prefix("bytes=")) else {
        return Ok(None);
    };
    if text(header::IF_RANGE).is_some_and(|wanted| wanted != tag) {
        return Ok(None);
    }
    let Some((first, last)) = asked.split_once('-') else {
        return Ok(None);
    };
    let Ok(first) = first.parse::<usize>() else {
        return Ok(None);
    };
    let end = last
        .parse::<usize>()
        .map_or(total, |last| last.saturating_add(1).min(total));
    if first >= end {
        Err(())
    } else {
        Ok(Some(first..end))
    }
}

fn body(bytes: Bytes, rules: &Rules) -> Body {
    let pause = rules
        .bytes_per_s
        .map(|rate| Duration::from_secs_f64(PIECE_BYTES as f64 / rate.max(1) as f64));
    let pieces = pieces(bytes);
    match rules.fault {
        Fault::Silent => Body::from_stream(stream::pending::<io::Result<Bytes>>()),
        Fault::Cut(after) => {
            let after = usize::try_from(after).unwrap_or(usize::MAX);
            let cut = pieces.scan(0, move |sent, piece| {
                let room = after.saturating_sub(*sent);
                *sent += piece.len();
                let piece = if room == 0 {
                    None
                } else {
                    Some(piece.slice(..room.min(piece.len())))
                };
                std::future::ready(piece)
            });
            Body::from_stream(slowed(cut, pause).map(Ok).chain(broken()))
        }
        Fault::Endless => {
            let zeros = stream::repeat(Bytes::from_static(&[0; PIECE_BYTES]));
            Body::from_stream(slowed(pieces.chain(zeros), pause).map(Ok::<_, io::Error>))
        }
        Fault::LengthLies(_) => Body::from_stream(slowed(pieces, pause).map(Ok).chain(broken())),
        Fault::None | Fault::WrongBytes | Fault::Status(_) => {
            Body::from_stream(slowed(pieces, pause).map(Ok::<_, io::Error>))
        }
    }
}

/// The end of a connection, late enough for what stands before it to have gone out.
fn broken() -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::once(async {
        tokio::time::sleep(FLUSHED_AFTER).await;
        Err(io::Error::other("cut"))
    })
}

fn pieces(bytes: Bytes) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(bytes, |mut left| {
        let piece = (!left.is_empty()).then(|| left.split_to(PIECE_BYTES.min(left.len())));
        std::future::ready(piece.map(|piece| (piece, left)))
    })
}

fn slowed(
    pieces: impl Stream<Item = Bytes> + Send + 'static,
    pause: Option<Duration>,
) -> impl Stream<Item = Bytes> + Send + 'static {
    pieces.then(move |piece| async move {
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        piece
    })
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn set(response: &mut Response<Body>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
