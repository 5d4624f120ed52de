use futures_util::StreamExt;

use super::*;
use crate::wire::Delta;

fn connected(epoch: u64, server: u64) -> Signal {
    Signal::Connected { epoch, server }
}

fn delta(text: &str) -> Signal {
    Signal::Event {
        directory: Arc::from("/p"),
        event: Arc::new(Event::PartDelta(Delta {
            delta: text.to_owned(),
            ..Delta::default()
        })),
    }
}

#[test]
fn a_subscriber_hears_first_that_the_stream_is_open() {
    let hub = Hub::new();
    let mut early = hub.events();
    hub.connected();
    let mut late = hub.events();
    hub.tell(delta("a"));

    for events in [&mut early, &mut late] {
        assert_eq!(events.try_recv(), Some(connected(1, 0)));
        assert_eq!(events.try_recv(), Some(delta("a")));
        assert_eq!(events.try_recv(), None);
    }
}

#[test]
fn a_lost_stream_is_told_once_and_its_successor_has_the_next_epoch() {
    let hub = Hub::new();
    hub.connected();
    let mut events = hub.events();

    hub.down("it exited");
    hub.down("it is starting");
    hub.connected();

    assert_eq!(events.try_recv(), Some(connected(1, 0)));
    assert_eq!(events.try_recv(), Some(Signal::Lost));
    assert_eq!(events.try_recv(), Some(connected(2, 0)));
    assert_eq!(events.try_recv(), None);
}

#[test]
fn a_slow_subscriber_is_told_and_does_not_get_what_is_old() {
    let hub = Hub::new();
    hub.connected();
    let mut events = hub.events();
    assert_eq!(events.try_recv(), Some(connected(1, 0)));

    for _ in 0..=SIGNALS_MAX {
        hub.tell(delta("old"));
    }

    assert_eq!(events.try_recv(), Some(Signal::Lagged));
    assert_eq!(events.try_recv(), None);
    hub.tell(delta("new"));
    assert_eq!(events.try_recv(), Some(delta("new")));
}

#[tokio::test]
async fn a_tap_is_greeted_passes_lines_on_and_ends_with_the_stream() {
    let hub = Hub::new();
    assert_eq!(hub.tap()().collect::<Vec<_>>().await, Vec::<bytes::Bytes>::new());
    hub.connected();
    let tap = hub.tap()();

    hub.pass("{\"a\":1}");
    hub.down("it exited");

    let lines: Vec<bytes::Bytes> = tap.collect().await;
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with(b"data: {\"payload\":{\"type\":\"server.connected\""));
    assert_eq!(lines[1], "data: {\"a\":1}\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_slow_tap_ends_after_so_many_lines_or_bytes_and_the_others_go_on() {
    // The one is reached by many small events, the other by a few that hold files.
    for (bytes, fits) in [(16, tap::LINES_MAX), (1024 * 1024, 7)] {
        let hub = Hub::new();
        hub.connected();
        let (slow, mut quick) = (hub.tap()(), hub.tap()());
        let json = format!("\"{}\"", "x".repeat(bytes));
        quick.next().await.unwrap();

        for _ in 0..=fits {
            hub.pass(&json);
            assert_eq!(quick.next().await, Some(tap::event(&json)));
        }
        hub.pass(&json);

        assert_eq!(quick.next().await, Some(tap::event(&json)), "{bytes}");
        // The greeting, and what fitted; then it ends, so that its reader connects again.
        let told = tokio::time::timeout(std::time::Duration::from_secs(1), slow.count()).await;
        assert_eq!(told, Ok(1 + fits), "{bytes}");
    }
}

#[tokio::test]
async fn a_line_longer_than_a_tap_may_be_behind_passes_alone() {
    let hub = Hub::new();
    hub.connected();
    let mut tap = hub.tap()();
    tap.next().await.unwrap();

    for _ in 0..2 {
        hub.pass(&"x".repeat(tap::BYTES_MAX));
        assert!(tap.next().await.is_some_and(|line| line.len() > tap::BYTES_MAX));
    }
}

#[test]
fn an_event_of_two_lines_stays_one_event() {
    assert_eq!(tap::event("{\n}"), "data: {\ndata: }\n\n");
}

#[test]
fn the_greeting_is_told_from_lines_that_only_mention_it() {
    let check = |json: &str, expected: bool| assert_eq!(tap::is_greeting(json), expected, "{json}");
    check(
        r#"{"payload":{"id":"evt_1","type":"server.connected","properties":{}}}"#,
        true,
    );
    check(
        r#"{"payload":{"type":"server.heartbeat","properties":{}}}"#,
        false,
    );
    let words = format!(
        r#"{{"directory":"/p","payload":{{"type":"message.part.delta","properties":{{"delta":"{}"type":"server.connected""}}}}}}"#,
        "word ".repeat(20)
    );
    check(&words, false);
}

mod reading {
    use kit::{CancellationToken, Secret, Upstream};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    const OPEN: &str = "data: {\"payload\":{\"type\":\"server.connected\",\"properties\":{}}}\n\n";

    /// A server that opens a stream, says `words`, and then either hangs up or falls silent.
    async fn server(words: &'static str, hangs_up: bool) -> watch::Sender<Option<Upstream>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Upstream {
            address: listener.local_addr().unwrap(),
            authorization: Secret::new("Basic x".to_owned()),
        };
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                assert!(stream.read(&mut head).await.unwrap() > 0);
                stream
                    .write_all(format!("{HEAD}{OPEN}{words}").as_bytes())
                    .await
                    .unwrap();
                if !hangs_up {
                    open.push(stream);
                }
            }
        });
        watch::Sender::new(Some(upstream))
    }

    async fn told(words: &'static str, hangs_up: bool, count: usize) -> Vec<Signal> {
        let upstream = server(words, hangs_up).await;
        let (api, reader) = crate::Api::connect(upstream.subscribe(), std::sync::Arc::default()).unwrap();
        let mut events = api.events();
        let stop = CancellationToken::new();
        let reading = tokio::spawn({
            let stop = stop.clone();
            async move { reader.run(stop).await }
        });
        let mut told = Vec::new();
        for _ in 0..count {
            told.push(events.recv().await);
        }
        stop.cancel();
        reading.await.unwrap();
        told
    }

    const IDLE: &str = "data: {\"directory\":\"/p\",\"payload\":{\"type\":\"session.idle\",\"properties\":{\"sessionID\":\"s\"}}}\n\n";

    fn idle() -> Signal {
        Signal::Event {
            directory: Arc::from("/p"),
            event: Arc::new(Event::SessionIdle {
                session_id: "s".to_owned(),
            }),
        }
    }

    #[tokio::test]
    async fn a_stream_that_breaks_is_opened_again() {
        let found = told(IDLE, true, 5).await;

        assert_eq!(
            found,
            [connected(1, 1), idle(), Signal::Lost, connected(2, 1), idle()]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_falls_silent_is_opened_again() {
        let found = told("", false, 3).await;

        assert_eq!(found, [connected(1, 1), Signal::Lost, connected(2, 1)]);
    }

    #[tokio::test]
    async fn another_server_is_told_apart_from_the_same_one() {
        let first = server("", false).await;
        let second = server("", false).await.borrow().clone();
        let (api, reader) = crate::Api::connect(first.subscribe(), std::sync::Arc::default()).unwrap();
        let mut events = api.events();
        let stop = CancellationToken::new();
        let reading = tokio::spawn({
            let stop = stop.clone();
            async move { reader.run(stop).await }
        });

        assert_eq!(events.recv().await, connected(1, 1));
        first.send_replace(second);

        assert_eq!(events.recv().await, Signal::Lost);
        assert_eq!(events.recv().await, connected(2, 2));
        stop.cancel();
        reading.await.unwrap();
    }
}
