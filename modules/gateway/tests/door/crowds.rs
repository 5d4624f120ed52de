//! How much at once there may be, and for how long.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Mutex, MutexGuard},
    time::timeout,
};

use crate::house::{
    Answer, Ask, House, PATIENCE,
    socket::{Socket, ping},
};

const HOST: &str = "grove-amber-heron-a12d.trycloudflare.com";
const OURS: &str = "https://grove-amber-heron-a12d.trycloudflare.com";

/// Streams of one session, and of all.
const SESSION_STREAMS_MAX: usize = 16;
const STREAMS_MAX: usize = 200;
/// Connections of the tunnel's port.
const TUNNEL_CONNECTIONS_MAX: usize = 256;
/// Long enough for an answer, had there been one.
const SOON: Duration = Duration::from_millis(300);

/// One such story at a time: each has hundreds of connections open, and a process may have a thousand.
async fn many() -> MutexGuard<'static, ()> {
    static MANY: Mutex<()> = Mutex::const_new(());
    MANY.lock().await
}

/// Lets time pass for all who wait, and not for the story.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

/// Sends on a connection of its own, which is given back.
async fn begin(port: u16, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(port).await;
    stream.write_all(bytes).await.unwrap();
    stream
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let mut piece = [0; 16 * 1024];
        let count = timeout(PATIENCE, stream.read(&mut piece)).await.unwrap().unwrap();
        assert!(count > 0, "{text}");
        text += &String::from_utf8_lossy(&piece[..count]);
    }
    text
}

/// What comes until the connection is closed, or `None` while it is not.
async fn rest(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let reading = async {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            text.extend_from_slice(&piece[..count]);
        }
    };
    timeout(SOON, reading).await.ok()?;
    Some(String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_full_set_of_streams_turns_the_next_one_away_on_either_port() {
    let _many = many().await;
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let away = |cookie: &str| {
        let asked = outside.ask("GET", "/live?view=chat");
        asked.with("Cookie", cookie).with("Origin", OURS)
    };
    let here = |cookie: &str| {
        let asked = house.ask("GET", "/live?view=chat");
        asked.with("Cookie", cookie).with("Origin", &house.origin())
    };
    let mut sockets: Vec<Socket> = Vec::new();
    let mut open = async |asked: Ask, count: usize| {
        for _ in 0..count {
            sockets.push(asked.socket().await.unwrap());
        }
    };
    for number in 0..STREAMS_MAX / SESSION_STREAMS_MAX {
        let asked = if number % 2 == 0 {
            away(&outside.log_in().await)
        } else {
            here(&house.log_in().await)
        };
        open(asked, SESSION_STREAMS_MAX).await;
    }
    let (guest, owner) = (outside.log_in().await, house.log_in().await);
    open(away(&guest), STREAMS_MAX % SESSION_STREAMS_MAX).await;
    assert_eq!(house.door.streams(), STREAMS_MAX);

    let events = || house.ask("GET", "/api/opencode/global/event").page_of(&owner);
    let refused = [
        here(&owner).socket().await.err(),
        away(&guest).socket().await.err(),
        Some(events().status().await),
    ];
    assert_eq!(refused, [Some(429); 3]);
    // What is no stream is answered still.
    assert_eq!(house.ask("GET", "/chat").page_of(&owner).status().await, 200);

    sockets.remove(0).close(None).await.unwrap();
    let mut status = house.status.clone();
    let is_free = status.wait_for(|status| status.details["streams"] == STREAMS_MAX - 1);
    timeout(PATIENCE, is_free).await.unwrap().unwrap();
    assert!(here(&owner).socket().await.is_ok());
}

#[tokio::test]
async fn whoever_watches_gets_a_sign_of_life_every_fifteen_seconds() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let (owner, guest) = (house.log_in().await, outside.log_in().await);
    let events = house.ask("GET", "/api/opencode/global/event").page_of(&owner);
    let mut events = begin(house.port, &events.bytes()).await;
    let head = read_until(&mut events, ":\n\n").await;
    assert!(head.contains("cache-control: no-cache, no-transform"), "{head}");
    let at_home = house.ask("GET", "/live?view=chat").with("Cookie", &owner);
    let mut at_home = at_home.with("Origin", &house.origin()).socket().await.unwrap();
    let away = outside.ask("GET", "/live?view=chat").with("Cookie", &guest);
    let mut away = away.with("Origin", OURS).socket().await.unwrap();

    for _ in 0..3 {
        pass(15).await;

        let heard = async {
            read_until(&mut events, ":\n\n").await;
            ping(&mut at_home).await;
            ping(&mut away).await;
        };
        timeout(SOON * 3, heard)
            .await
            .expect("a sign of life from all three");
    }
}

#[tokio::test]
async fn a_body_that_hardly_comes_is_cut_on_either_port() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let at_home = house.ask("POST", "/chat/act").page_of(&house.log_in().await);
    let away = outside.ask("POST", "/chat/act").page_of(&outside.log_in().await);
    for (asked, port, host) in [
        (at_home.with("Origin", &house.origin()), house.port, None),
        (away.with("Origin", OURS), outside.port, Some(HOST)),
    ] {
        let bytes = asked.body("0123456789").bytes();
        let (some, late) = bytes.split_at(bytes.len() - 9);
        let mut slow = begin(port, some).await;
        let mut steady = begin(port, some).await;
        let heard = async || {
            // What was sent before has been read once something sent later is answered.
            let asked = match host {
                Some(_) => outside.ask("GET", "/healthz"),
                None => house.ask("GET", "/healthz"),
            };
            assert_eq!(asked.status().await, 200);
        };
        heard().await;

        pass(20).await;
        slow.write_all(&late[..1]).await.unwrap();
        steady.write_all(late).await.unwrap();
        heard().await;
        let answer = rest(&mut steady).await.expect("an answer to what came in time");
        assert_eq!(Answer::parse(&answer).body, "taken", "{host:?}");
        assert_eq!(rest(&mut slow).await, None, "{host:?}");

        pass(12).await;
        let said = rest(&mut slow).await.expect("an end after half a minute");
        assert!(!said.contains("HTTP/1.1 2"), "{host:?}: {said}");
    }
}

#[tokio::test]
async fn a_full_port_for_the_tunnel_keeps_newcomers_waiting_there_and_nobody_at_the_machine() {
    let _many = many().await;
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    house
        .settings
        .set("gateway.device_requests_per_min", "0")
        .unwrap();
    let cookie = outside.log_in().await;
    let asked = outside.ask("GET", "/chat").page_of(&cookie).bytes();
    let kept = String::from_utf8(asked)
        .unwrap()
        .replace("Connection: close\r\n", "");
    let mut guests = Vec::new();
    for _ in 0..TUNNEL_CONNECTIONS_MAX {
        let mut guest = begin(outside.port, kept.as_bytes()).await;
        assert!(
            read_until(&mut guest, "</html>")
                .await
                .starts_with("HTTP/1.1 200 ")
        );
        guests.push(guest);
    }

    let newcomer = outside.ask("GET", "/healthz").bytes();
    let mut newcomer = begin(outside.port, &newcomer).await;
    assert_eq!(rest(&mut newcomer).await, None);
    assert_eq!(house.ask("GET", "/healthz").status().await, 200);
    let owner = house.log_in().await;
    assert_eq!(house.ask("GET", "/chat").page_of(&owner).status().await, 200);

    // Whoever has a place keeps it; one that is left is given to the next.
    guests.swap_remove(7);
    let answer = read_until(&mut newcomer, "ok").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for guest in &mut guests {
        guest.write_all(kept.as_bytes()).await.unwrap();
        assert!(read_until(guest, "</html>").await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn strangers_who_hold_all_places_of_the_tunnel_make_room() {
    let _many = many().await;
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let mut strangers = Vec::new();
    for _ in 0..TUNNEL_CONNECTIONS_MAX {
        strangers.push(connect(outside.port).await);
    }

    let cookie = outside.log_in().await;
    assert_eq!(outside.ask("GET", "/chat").page_of(&cookie).status().await, 200);

    // The first ones went, the last ones may stay.
    assert_eq!(rest(&mut strangers[0]).await.as_deref(), Some(""));
    assert_eq!(rest(&mut strangers[TUNNEL_CONNECTIONS_MAX - 1]).await, None);
}
