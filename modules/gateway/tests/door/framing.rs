use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::house::{Answer, House};

/// A request that would reach opencode, with `lines` in its head.
fn request(house: &House, cookie: &str, lines: &str) -> String {
    let port = house.port;
    format!(
        "POST /api/opencode/session HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/json\r\n{lines}\r\n"
    )
}

#[tokio::test]
async fn a_request_that_can_be_read_in_two_ways_is_refused() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let smuggled = format!(
        "GET /api/opencode/agent HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nCookie: {cookie}\r\n\r\n",
        house.port
    );
    let chunked = format!("2\r\n{{}}\r\n0\r\n\r\n{smuggled}");

    for (lines, body) in [
        ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", &chunked),
        ("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", &chunked),
        ("Content-Length: 2\r\nContent-Length: 20\r\n", &smuggled),
        ("Content-Length: 2, 2\r\n", &smuggled),
        ("Transfer-Encoding: xchunked\r\n", &chunked),
        ("Transfer-Encoding: gzip, chunked\r\n", &chunked),
        ("Transfer-Encoding : chunked\r\n", &chunked),
        ("X: a\r\n b\r\nContent-Length: 2\r\n", &smuggled),
        ("X: a\nContent-Length: 2\r\n", &smuggled),
    ] {
        let answer = house
            .raw(format!("{}{body}", request(&house, &cookie, lines)).as_bytes())
            .await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{lines:?}: {answer}");
        assert_eq!(Answer::parse(&answer).status, 400, "{lines:?}");
        assert_eq!(house.recorded().len(), 0, "{lines:?}");
    }
    let old = request(&house, &cookie, "Transfer-Encoding: chunked\r\n").replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(
        Answer::parse(&house.raw(format!("{old}{chunked}").as_bytes()).await).status,
        400
    );
    let bare = request(&house, &cookie, "").replace("\r\n", "\n");
    assert_eq!(Answer::parse(&house.raw(bare.as_bytes()).await).status, 400);
    assert_eq!(house.recorded().len(), 0);
}

#[tokio::test]
async fn what_comes_before_an_ambiguous_request_is_answered_and_what_comes_after_is_not() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let good = format!("{}{{}}", request(&house, &cookie, "Content-Length: 2\r\n"));
    let bad = request(
        &house,
        &cookie,
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    );

    let answer = house
        .raw(format!("{good}{good}{bad}2\r\n{{}}\r\n0\r\n\r\n{good}").as_bytes())
        .await;

    let statuses: Vec<_> = answer
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &answer[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "200", "400"], "{answer}");
    assert_eq!(house.recorded().len(), 2);
}

#[tokio::test]
async fn unknown_methods_and_protocols_are_refused() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let status = async |first_line: &str| {
        let text = format!(
            "{first_line}\r\nHost: 127.0.0.1:{}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n",
            house.port
        );
        Answer::parse(&house.raw(text.as_bytes()).await).status
    };

    for method in ["TRACE", "CONNECT", "OPTIONS", "PROPFIND", "FOO", "get"] {
        assert_eq!(
            status(&format!("{method} /api/opencode/session HTTP/1.1")).await,
            405,
            "{method}"
        );
    }
    assert_eq!(
        Answer::parse(&house.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await).status,
        400
    );
    assert_eq!(status("GET http://evil.example/ HTTP/1.1").await, 400);
    assert_eq!(status("GET /chat HTTP/3.0").await, 400);
    assert_eq!(status("GET /cha\tt HTTP/1.1").await, 400);
    assert_eq!(house.recorded().len(), 0);
}

#[tokio::test]
async fn sizes_have_limits() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let with = |lines: &str| {
        format!(
            "GET /chat HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nCookie: {cookie}\r\n{lines}\r\n",
            house.port
        )
    };
    let status = async |text: String| Answer::parse(&house.raw(text.as_bytes()).await).status;

    assert_eq!(
        status(with(&format!("X: {}\r\n", "a".repeat(200 * 1024)))).await,
        431
    );
    assert_eq!(status(with(&"X: a\r\n".repeat(98))).await, 431);
    assert_eq!(status(with(&"X: a\r\n".repeat(97))).await, 200);
    assert_eq!(
        status(with("").replace("/chat", &format!("/{}", "a".repeat(9 * 1024)))).await,
        414
    );
    let declared = request(&house, &cookie, "Content-Length: 11534336\r\n");
    assert_eq!(status(declared).await, 413);
    let mut chunked = request(&house, &cookie, "Transfer-Encoding: chunked\r\n").into_bytes();
    for _ in 0..11 {
        chunked.extend_from_slice(b"100000\r\n");
        chunked.resize(chunked.len() + 0x10_0000, b'x');
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(Answer::parse(&house.raw(&chunked).await).status, 413);
    assert!(house.recorded().iter().all(|request| request.body.is_empty()));
}

#[tokio::test]
async fn a_large_body_within_the_limit_arrives_whole() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let body = format!("\"{}\"", "x".repeat(9 * 1024 * 1024));

    let status = house
        .ask("POST", "/api/opencode/session/ses_1/message")
        .page_of(&cookie)
        .json(&body)
        .status()
        .await;

    assert_eq!(status, 200);
    assert_eq!(house.recorded()[0].body.len(), body.len());
}

#[tokio::test]
async fn half_sent_heads_are_cut_while_others_are_served() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let mut slow = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(("127.0.0.1", house.port)).await.unwrap();
        stream.write_all(b"GET /chat HTTP/1.1\r\nHost: 12").await.unwrap();
        slow.push(stream);
    }
    let start = Instant::now();

    while start.elapsed() < Duration::from_secs(2) {
        let asked = Instant::now();
        assert_eq!(house.ask("GET", "/chat").page_of(&cookie).status().await, 200);
        assert!(asked.elapsed() < Duration::from_secs(3));
    }
    for mut stream in slow {
        let mut rest = Vec::new();
        tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest))
            .await
            .unwrap()
            .ok();
    }

    let took = start.elapsed();
    assert!(
        (Duration::from_secs(8)..Duration::from_secs(15)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let mut stream = TcpStream::connect(("127.0.0.1", house.port)).await.unwrap();
    let request = format!(
        "GET /api/opencode/session HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nCookie: {cookie}\r\n\r\n",
        house.port
    );

    for _ in 0..50 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"{\"from\":\"upstream\"}") {
            let mut piece = [0; 2048];
            let count = stream.read(&mut piece).await.unwrap();
            assert!(count > 0);
            answer.extend_from_slice(&piece[..count]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }

    assert_eq!(house.recorded().len(), 50);
}
