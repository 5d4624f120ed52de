//! Answers that take their time: lines that break, streams, sessions that end, servers that are slower than the limit.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::house::{Answer, Ask, House, PATIENCE};

#[tokio::test]
async fn a_server_that_went_away_and_came_back_is_found_again() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let ask = async || {
        house
            .ask("GET", "/api/opencode/session")
            .page_of(&cookie)
            .status()
            .await
    };
    // A server that closes every connection after one answer, without saying so.
    let fickle = TcpListener::bind("127.0.0.1:0").await.unwrap();
    house.upstream_is_at(fickle.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = fickle.accept().await.unwrap();
            let mut head = [0; 4096];
            let count = stream.read(&mut head).await.unwrap();
            assert!(count > 0);
            stream
                .write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
                )
                .await
                .unwrap();
        }
    });

    for _ in 0..20 {
        assert_eq!(ask().await, 200);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_request_with_it() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    house.upstream_is_at(slow.local_addr().unwrap());
    let mut client = TcpStream::connect(("127.0.0.1", house.port)).await.unwrap();
    client
        .write_all(&house.ask("GET", "/api/opencode/session").page_of(&cookie).bytes())
        .await
        .unwrap();
    let (mut server, _) = slow.accept().await.unwrap();
    let mut head = [0; 4096];
    assert!(server.read(&mut head).await.unwrap() > 0);

    drop(client);

    let ended = tokio::time::timeout(PATIENCE, server.read(&mut head))
        .await
        .expect("the connection to the server ends");
    assert!(matches!(ended, Ok(0) | Err(_)));
}

#[tokio::test]
async fn the_event_stream_comes_from_the_agents_own_reader() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let mut client = TcpStream::connect(("127.0.0.1", house.port)).await.unwrap();
    client
        .write_all(
            &house
                .ask("GET", "/api/opencode/global/event")
                .page_of(&cookie)
                .bytes(),
        )
        .await
        .unwrap();
    let mut text = read_until(&mut client, ":\n\n").await;
    assert!(text.contains("cache-control: no-cache, no-transform"), "{text}");
    assert!(text.contains("content-type: text/event-stream"), "{text}");

    house.events.send("{\"type\":\"one\"}".to_owned()).unwrap();
    house.events.send("{\"type\":\"two\"}".to_owned()).unwrap();
    text = read_until(&mut client, "two\"}\n\n").await;

    assert!(text.contains("data: {\"type\":\"one\"}\n\n"), "{text}");
    assert_eq!(house.recorded().len(), 0);
    // The end of the session is the end of its streams.
    let id = house.door.sessions()[0].id.clone();
    assert_eq!(house.door.streams(), 1);
    house.door.revoke(&id).await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(1), client.read_to_end(&mut rest))
        .await
        .expect("the stream ends within a second")
        .unwrap();
    let mut status = house.status.clone();
    tokio::time::timeout(PATIENCE, status.wait_for(|status| status.details["streams"] == 0))
        .await
        .unwrap()
        .unwrap();
}

async fn read_until(client: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let mut piece = [0; 4096];
        let count = tokio::time::timeout(PATIENCE, client.read(&mut piece))
            .await
            .unwrap()
            .unwrap();
        assert!(count > 0, "{text}");
        text += &String::from_utf8_lossy(&piece[..count]);
    }
    text
}

/// A server that takes one request, begins an answer with `head`, and never ends it. Gives what was asked of it.
async fn endless(house: &House, head: &'static str, cookie: &str) -> (TcpStream, TcpStream) {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    house.upstream_is_at(server.local_addr().unwrap());
    let mut client = TcpStream::connect(("127.0.0.1", house.port)).await.unwrap();
    let asked = house.ask("GET", "/api/opencode/session").page_of(cookie);
    client.write_all(&asked.bytes()).await.unwrap();
    let (mut upstream, _) = server.accept().await.unwrap();
    let mut request = [0; 4096];
    assert!(upstream.read(&mut request).await.unwrap() > 0);
    upstream.write_all(head.as_bytes()).await.unwrap();
    (client, upstream)
}

#[tokio::test]
async fn answers_under_way_end_with_their_session() {
    let house = House::open().await;
    const HEAD: &str =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n";
    let within_a_second = async |stream: &mut TcpStream| {
        let mut text = Vec::new();
        let reading = async {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut piece).await {
                text.extend_from_slice(&piece[..count]);
            }
        };
        tokio::time::timeout(Duration::from_secs(1), reading)
            .await
            .expect("it ends within a second");
        String::from_utf8(text).unwrap()
    };

    for ending in ["revoke", "password"] {
        let cookie = house.log_in().await;
        let (mut waiting, mut silent) = endless(&house, "", &cookie).await;
        let (mut reading, mut streaming) = endless(&house, HEAD, &cookie).await;
        let begun = read_until(&mut reading, "[1\r\n").await;
        assert!(begun.starts_with("HTTP/1.1 200 "), "{begun}");

        match ending {
            "revoke" => assert_eq!(house.door.revoke_all().await.unwrap(), 1),
            _ => house
                .door
                .set_password(kit::Secret::new("velvet ocean kettle".to_owned()))
                .await
                .unwrap(),
        }

        let answer = within_a_second(&mut waiting).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        // Cut off, not ended in good order: nobody takes it for the whole.
        assert_eq!(within_a_second(&mut reading).await, "");
        assert_eq!(within_a_second(&mut silent).await, "");
        assert_eq!(within_a_second(&mut streaming).await, "");
    }
}

/// Asks a server that never answers, lets `seconds` pass, and gives what came back by then.
async fn asked_in_vain(house: &House, ask: &Ask, seconds: u64) -> Option<Answer> {
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    house.upstream_is_at(slow.local_addr().unwrap());
    let mut client = TcpStream::connect(("127.0.0.1", house.port)).await.unwrap();
    client.write_all(&ask.bytes()).await.unwrap();
    let (mut server, _) = slow.accept().await.unwrap();
    assert!(server.read(&mut [0; 4096]).await.unwrap() > 0);

    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();

    let mut text = String::new();
    let reading = client.read_to_string(&mut text);
    let answered = tokio::time::timeout(Duration::from_secs(1), reading).await;
    answered.is_ok().then(|| Answer::parse(&text))
}

#[tokio::test]
async fn a_server_slower_than_the_limit_is_answered_for_in_our_words() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let plain = house.ask("GET", "/api/opencode/session").page_of(&cookie);
    let turn = house.ask("POST", "/api/opencode/session/ses_1/message");
    let turn = turn.page_of(&cookie).json("{}");

    let in_time = asked_in_vain(&house, &plain, 90).await;
    let late = asked_in_vain(&house, &plain, 150).await;
    // Such a request is answered when a whole turn of the model is done.
    let turn_in_time = asked_in_vain(&house, &turn, 2400).await;
    let turn_late = asked_in_vain(&house, &turn, 4200).await;

    assert_eq!((in_time, turn_in_time), (None, None));
    for answer in [late.unwrap(), turn_late.unwrap()] {
        let error: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer.status, 504);
        assert_eq!(error["error"]["code"], "server_slow");
        assert_eq!(
            error["error"]["message"],
            "The server did not answer in time. Try again."
        );
    }
}
