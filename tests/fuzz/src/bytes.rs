//! Raw bytes on a connection: hyper, behind the scanner, sees no request a strict reading does not see.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::http::{Request, Response};
use gateway::scan::{Scanner, Step};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use crate::strict;

/// Sends `bytes` in pieces of `size` through the scanner into a real hyper server.
///
/// # Panics
/// When the property is broken.
pub fn check(bytes: &[u8], size: usize) {
    let passed = scanned(bytes, size.max(1));
    assert!(bytes.starts_with(&passed), "bytes were changed");
    assert_eq!(
        passed,
        scanned(bytes, bytes.len().max(1)),
        "the split of the bytes made a difference"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers can be built");
    let seen = runtime.block_on(served(&passed));
    let strict = strict::requests(bytes);
    assert!(
        strict.starts_with(&seen),
        "hyper saw {seen:?}, a strict reading {strict:?}"
    );
}

/// What the scanner lets pass.
fn scanned(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut scanner = Scanner::default();
    let (mut passed, mut held) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(size) {
        held.extend_from_slice(piece);
        while !held.is_empty() {
            match scanner.advance(&held) {
                Step::Pass(count) => passed.extend(held.drain(..count)),
                Step::More => break,
                // The answer to a handshake is a refusal here: the connection stays what it was.
                Step::Handshake => scanner.handshake_done(false),
                Step::Refuse(_) => return passed,
            }
        }
    }
    passed
}

/// The requests hyper makes of `bytes`, as far as their bodies arrive whole.
async fn served(bytes: &[u8]) -> Vec<(String, String)> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    let service = service_fn(move |request: Request<Incoming>| {
        let record = Arc::clone(&record);
        async move {
            let words = (request.method().to_string(), request.uri().to_string());
            if request.into_body().collect().await.is_ok() {
                record.lock().expect("nobody panics while holding it").push(words);
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let (mut near, far) = duplex(1024 * 1024);
    let connection = http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(far), service);
    let sending = async {
        // A server that has had enough may close before the end.
        drop(near.write_all(bytes).await);
        drop(near.shutdown().await);
        let mut answers = Vec::new();
        drop(near.read_to_end(&mut answers).await);
    };
    // How the connection ends does not matter, only what was seen.
    drop(tokio::join!(connection, sending));
    seen.lock().expect("nobody panics while holding it").clone()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line_end() -> impl Strategy<Value = &'static str> {
        prop_oneof![20 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r"), 1 => Just("\r\n "), 1 => Just("\r\r\n")]
    }

    fn field() -> impl Strategy<Value = String> {
        let fields = vec![
            "Content-Length: 5",
            "Content-Length: 0",
            "content-length: 5",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: 05",
            "Content-Length : 5",
            "Content-Length:\t5 ",
            "Content-Length: 99999999999999999999",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: Chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding:\x0bchunked",
            "Host: h",
            "X: y",
            "Connection: close",
            "Connection: upgrade",
            "Upgrade: websocket",
            "Expect: 100-continue",
            "X: \u{e9}",
            ": empty",
            "no colon",
            "Trailer: X",
        ];
        prop_oneof![
            6 => prop::sample::select(fields).prop_map(str::to_owned),
            1 => "[!-~]{1,8}:[ -~]{0,8}",
        ]
    }

    fn body() -> impl Strategy<Value = String> {
        let bodies = vec![
            "",
            "hello",
            "5\r\nhello\r\n0\r\n\r\n",
            "0\r\n\r\n",
            "5;x=y\r\nhello\r\n0\r\n\r\n",
            "5\nhello\n0\n\n",
            "5\r\nhelloX0\r\n\r\n",
            "0\r\nX: y\r\n\r\n",
            "fffffffffffffffff\r\n",
            "5\r\nhello\r\n",
            "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
        ];
        prop::sample::select(bodies).prop_map(str::to_owned)
    }

    fn request() -> impl Strategy<Value = String> {
        let first = prop_oneof![
            12 => prop::sample::select(vec!["GET /a HTTP/1.1", "POST /b HTTP/1.1", "PUT /c HTTP/1.1"]),
            1 => prop::sample::select(vec![
                "GET /a HTTP/1.0", "GET  /a HTTP/1.1", "GET /a HTTP/2.0", "GET http://h/ HTTP/1.1", "GET /a", "OPTIONS * HTTP/1.1", "\r\nGET /a HTTP/1.1",
                "PRI * HTTP/2.0", "GET /a b HTTP/1.1", "G\0T /a HTTP/1.1",
            ]),
        ];
        let lines = prop::collection::vec((field(), line_end()), 0..5);
        (first, line_end(), lines, line_end(), line_end(), body()).prop_map(
            |(first, end, lines, host_end, last, body)| {
                let lines: String = lines.into_iter().map(|(field, end)| field + end).collect();
                format!("{first}{end}Host: h{host_end}{lines}{last}{body}")
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6000))]

        #[test]
        fn nothing_is_smuggled_past_the_scanner(requests in prop::collection::vec(request(), 1..4), size in 1_usize..200) {
            check(requests.concat().as_bytes(), size);
        }

        #[test]
        fn no_bytes_make_it_panic_or_disagree(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1_usize..50) {
            check(&bytes, size);
        }

        #[test]
        fn a_changed_byte_smuggles_nothing(
            requests in prop::collection::vec(request(), 1..3), at in any::<prop::sample::Index>(), byte in any::<u8>(), size in 1_usize..200,
        ) {
            let mut bytes = requests.concat().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            check(&bytes, size);
        }
    }

    #[test]
    fn without_the_scanner_hyper_sees_more_than_is_there() {
        let smuggled = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n";
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

        assert_eq!(runtime.block_on(served(smuggled)).len(), 1);
        assert_eq!(strict::requests(smuggled).len(), 0);
        check(smuggled, 7);
    }

    #[test]
    fn plain_requests_are_seen_by_all_three() {
        let two = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: h\r\n\r\n";
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

        let seen = runtime.block_on(served(&scanned(two, 7)));

        assert_eq!(seen.len(), 2);
        assert_eq!(strict::requests(two), seen);
        check(two, 7);
    }
}
