use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::{Instant, timeout},
};

use super::*;

const HEAD: &[u8] = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n";

fn pair() -> (DuplexStream, Wire<DuplexStream>, Arc<Talk>) {
    let (near, far) = duplex(64 * 1024);
    let talk = Arc::new(Talk::default());
    (
        near,
        Wire::new(far, kit::Listener::Local, Arc::clone(&talk)),
        talk,
    )
}

/// Reads until the wire gives nothing more, and tells what came and how long it took.
async fn read_to_end(wire: &mut Wire<DuplexStream>) -> (Vec<u8>, Duration) {
    let start = Instant::now();
    let mut all = Vec::new();
    let mut piece = [0; 1000];
    while let Ok(count @ 1..) = wire.read(&mut piece).await {
        all.extend_from_slice(&piece[..count]);
    }
    (all, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_head_has_ten_seconds_however_slowly_it_comes() {
    let (mut near, mut wire, _talk) = pair();
    let sending = tokio::spawn(async move {
        for byte in b"GET /a HTTP/1.1\r\nHost: h\r\nX-Slow: 1234567890" {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if near.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        near
    });

    let (passed, took) = read_to_end(&mut wire).await;

    assert_eq!(passed, b"");
    assert!(
        (Duration::from_secs(10)..Duration::from_secs(12)).contains(&took),
        "{took:?}"
    );
    sending.abort();
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_has_ten_seconds_and_a_kept_one_seventy_five() {
    let (near, mut wire, _talk) = pair();
    assert_eq!(read_to_end(&mut wire).await.1.as_secs(), 10);
    drop(near);

    let (mut near, mut wire, talk) = pair();
    near.write_all(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 28];
    wire.read_exact(&mut head).await.unwrap();
    drop(Answering::new(&talk));

    assert_eq!(read_to_end(&mut wire).await.1.as_secs(), 75);
    drop(near);
}

#[tokio::test(start_paused = true)]
async fn while_an_answer_is_on_its_way_nothing_is_expected() {
    let (mut near, mut wire, talk) = pair();
    near.write_all(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 28];
    wire.read_exact(&mut head).await.unwrap();
    let answering = Answering::new(&talk);

    let waited = timeout(Duration::from_secs(3600), wire.read(&mut head)).await;

    assert!(waited.is_err());
    drop((answering, near));
}

#[tokio::test(start_paused = true)]
async fn a_byte_now_and_then_does_not_keep_a_body_open() {
    let (mut near, mut wire, _talk) = pair();
    near.write_all(HEAD).await.unwrap();
    let sending = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(20)).await;
            if near.write_all(b"x").await.is_err() {
                break;
            }
        }
    });

    let (passed, took) = read_to_end(&mut wire).await;

    assert_eq!(passed.len(), HEAD.len() + 1);
    assert!(
        (Duration::from_secs(30)..Duration::from_secs(32)).contains(&took),
        "{took:?}"
    );
    sending.abort();
}

#[tokio::test(start_paused = true)]
async fn a_slow_but_steady_body_is_read_whole() {
    let (mut near, mut wire, _talk) = pair();
    near.write_all(HEAD).await.unwrap();
    let sending = tokio::spawn(async move {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            near.write_all(&[b'x'; 1024]).await.unwrap();
        }
        near
    });

    let (passed, took) = read_to_end(&mut wire).await;

    assert_eq!(passed.len(), HEAD.len() + 10_000);
    assert!(took > Duration::from_secs(200), "{took:?}");
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_cut() {
    let (_near, mut wire, _talk) = pair();
    let start = Instant::now();

    let outcome = wire.write_all(&vec![0; 1024 * 1024]).await;

    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed().as_secs(), 20);
}

#[tokio::test]
async fn what_is_refused_is_answered_after_what_came_before() {
    let (mut near, mut wire, talk) = pair();
    near.write_all(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 100];
    let count = wire.read(&mut head).await.unwrap();
    assert_eq!(&head[..count], b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    let answering = Answering::new(&talk);

    // The first is still being answered: the connection is not over.
    assert!(
        timeout(Duration::from_millis(20), wire.read(&mut head))
            .await
            .is_err()
    );
    wire.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    drop(answering);
    assert_eq!(wire.read(&mut head).await.unwrap(), 0);
    let (closed, answers) = tokio::join!(wire.shutdown(), async {
        let mut answers = String::new();
        near.read_to_string(&mut answers).await.unwrap();
        drop(near);
        answers
    });

    closed.unwrap();
    assert!(
        answers.starts_with("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 400 Bad Request\r\n"),
        "{answers}"
    );
}
