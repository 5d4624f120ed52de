use super::*;

/// Feeds `bytes` in pieces of `size`, as a connection would, and gives what passed and what stopped it.
fn run(bytes: &[u8], size: usize) -> (Vec<u8>, Option<Refusal>) {
    let mut scanner = Scanner::default();
    let (mut passed, mut held) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(size) {
        held.extend_from_slice(piece);
        while !held.is_empty() {
            match scanner.advance(&held) {
                Step::Pass(count) => passed.extend(held.drain(..count)),
                Step::More | Step::Handshake => break,
                Step::Refuse(refusal) => return (passed, Some(refusal)),
            }
        }
    }
    (passed, None)
}

const FOLLOWING: &str = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";

/// A request that is fine passes whole, however it arrives, and so does the one behind it.
fn passes(request: &str) {
    let both = format!("{request}{FOLLOWING}");
    for size in [1, 2, 3, 7, 64, 100_000] {
        assert_eq!(
            run(both.as_bytes(), size),
            (both.clone().into_bytes(), None),
            "{request:?} in {size}"
        );
    }
}

/// A request that is not fine never passes to its end.
fn refuses(request: &str, expected: Refusal) {
    let both = format!("{request}{FOLLOWING}");
    for size in [1, 5, 100_000] {
        let (passed, refusal) = run(both.as_bytes(), size);
        assert_eq!(refusal, Some(expected), "{request:?} in {size}");
        assert!(
            !String::from_utf8_lossy(&passed).contains("/next"),
            "{request:?} in {size}"
        );
    }
}

fn get(fields: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

#[test]
fn plain_requests_pass() {
    passes(&get(""));
    passes(&get("Content-Length: 0\r\n"));
    passes(&get("X-Text: caf\u{e9} \t x\r\nEmpty:\r\n"));
    passes("GET /a HTTP/1.0\r\nHost: h\r\n\r\n");
    passes("POST /a HTTP/1.1\r\nHost: h\r\ncontent-length: 5\r\n\r\nGET /");
    passes(
        "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n",
    );
}

#[test]
fn two_ways_to_find_the_end_of_a_body_are_one_too_many() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: \r\n",
        "Content-Length: 18446744073709551617\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding:\r\n",
    ] {
        refuses(&get(fields), Refusal::Ambiguous);
    }
    refuses(
        "POST /a HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Refusal::Ambiguous,
    );
}

#[test]
fn lines_end_with_both_characters_and_fields_stand_on_one_line() {
    refuses("GET /a HTTP/1.1\nHost: h\n\n", Refusal::Ambiguous);
    refuses("GET /a HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", Refusal::Ambiguous);
    refuses(&get("X: a\r\n b\r\n"), Refusal::Ambiguous);
    refuses(&get(" X: a\r\n"), Refusal::Ambiguous);
    refuses(&get("X: a\rb\r\n"), Refusal::Ambiguous);
    refuses(&get("X: a\0b\r\n"), Refusal::Ambiguous);
    refuses(&get("no colon\r\n"), Refusal::Ambiguous);
    refuses("\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n", Refusal::Ambiguous);
}

#[test]
fn there_is_one_host_one_form_of_address_and_one_protocol() {
    refuses("GET /a HTTP/1.1\r\n\r\n", Refusal::Ambiguous);
    refuses(&get("Host: h\r\n"), Refusal::Ambiguous);
    refuses(
        "GET http://evil.example/ HTTP/1.1\r\nHost: h\r\n\r\n",
        Refusal::Ambiguous,
    );
    refuses("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", Refusal::Ambiguous);
    refuses("GET  /a HTTP/1.1\r\nHost: h\r\n\r\n", Refusal::Ambiguous);
    refuses("GET /a\r\nHost: h\r\n\r\n", Refusal::Ambiguous);
    refuses("GET /a HTTP/2.0\r\nHost: h\r\n\r\n", Refusal::Ambiguous);
    refuses("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refusal::Ambiguous);
    refuses("TRACE /a HTTP/1.1\r\nHost: h\r\n\r\n", Refusal::Method);
    refuses("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", Refusal::Method);
}

#[test]
fn chunks_are_followed_to_their_end() {
    let chunked =
        |body: &str| format!("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    for body in [
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "\r\n",
        "-5\r\n",
        "0x5\r\n",
        "123456789\r\n",
        "0\r\nTrailer: x\r\n\r\n",
        "0\r\n\n",
    ] {
        refuses(&chunked(body), Refusal::Ambiguous);
    }
}

#[test]
fn large_heads_are_refused_as_soon_as_they_are_too_large() {
    refuses(
        &get(&format!("X: {}\r\n", "a".repeat(200 * 1024))),
        Refusal::LargeHead,
    );
    refuses(&get(&"X: a\r\n".repeat(100)), Refusal::LargeHead);
    passes(&get(&"X: a\r\n".repeat(99)));
    refuses(
        &format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(9 * 1024)),
        Refusal::LongTarget,
    );
    let endless = format!("GET /{}", "a".repeat(9 * 1024));
    assert_eq!(run(endless.as_bytes(), 100).1, Some(Refusal::LongTarget));
    let endless = format!("GET /a HTTP/1.1\r\nX: {}", "a".repeat(33 * 1024));
    assert_eq!(run(endless.as_bytes(), 100).1, Some(Refusal::LargeHead));
}

#[test]
fn nothing_passes_behind_a_handshake_before_it_is_answered() {
    let handshake = get("Connection: upgrade\r\nUpgrade: websocket\r\n");
    let mut scanner = Scanner::default();
    assert_eq!(scanner.advance(handshake.as_bytes()), Step::Pass(handshake.len()));
    assert_eq!(scanner.advance(FOLLOWING.as_bytes()), Step::Handshake);

    scanner.handshake_done(true);
    assert_eq!(scanner.advance(b"\x81\n\n"), Step::Pass(3));

    let mut scanner = Scanner::default();
    scanner.advance(handshake.as_bytes());
    scanner.handshake_done(false);
    assert_eq!(scanner.advance(FOLLOWING.as_bytes()), Step::Pass(FOLLOWING.len()));
    refuses(
        &get("Upgrade: websocket\r\nContent-Length: 4\r\n"),
        Refusal::Ambiguous,
    );
}

#[test]
fn an_address_is_read_as_just_what_it_says() {
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
    for target in ["/", "/a%20b", "/a?b={c}|d", "/a?b=c/d?e", "/a;b=1,2'(3)*"] {
        passes(&get(target));
    }
    for target in [
        "/#",
        "/a#b",
        "/a?b#c",
        "/<a>",
        "/a`b",
        "a",
        "*",
        "http://h/a",
        "/a\u{e9}",
        "/a\tb",
    ] {
        refuses(&get(target), Refusal::Ambiguous);
    }
}
