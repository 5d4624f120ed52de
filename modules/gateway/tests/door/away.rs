//! What holds at the machine's own port holds at the one for the tunnel, for sessions of devices that are away.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use kit::{Origin, Outside};

use crate::house::{Answer, Ask, House, Outdoors, PATIENCE, raw};

const HOST: &str = "grove-amber-heron-a12d.trycloudflare.com";
const OURS: &str = "https://grove-amber-heron-a12d.trycloudflare.com";
const FOREIGN: [&str; 5] = [
    "https://evil.example",
    "null",
    "http://127.0.0.1:4096",
    "http://grove-amber-heron-a12d.trycloudflare.com",
    "https://x.trycloudflare.com",
];

async fn away() -> (House, Outdoors, String) {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let cookie = outside.log_in().await;
    (house, outside, cookie)
}

#[tokio::test]
async fn only_our_own_pages_change_anything() {
    let (house, outside, cookie) = away().await;
    let act = || outside.ask("POST", "/chat/act").with("Cookie", &cookie);

    assert_eq!(act().with("Origin", OURS).status().await, 200);
    assert_eq!(act().with("Sec-Fetch-Site", "same-origin").status().await, 200);
    assert_eq!(act().status().await, 403);
    for site in ["same-site", "cross-site", "none"] {
        assert_eq!(act().with("Sec-Fetch-Site", site).status().await, 403, "{site}");
    }
    for origin in FOREIGN.iter().chain(&[house.origin().as_str()]) {
        assert_eq!(act().with("Origin", origin).status().await, 403, "{origin}");
    }
    let form = outside
        .ask("POST", "/login")
        .with("Content-Type", "application/x-www-form-urlencoded")
        .body("password=a+walrus+plays+the+banjo");
    assert_eq!(form.status().await, 403);
    assert_eq!(form.with("Origin", "https://evil.example").status().await, 403);
}

#[tokio::test]
async fn a_socket_is_opened_by_our_own_pages_with_a_session() {
    let (house, outside, cookie) = away().await;
    let shake = async |cookie: Option<&str>, origin: Option<&str>| {
        let mut lines = format!(
            "GET /live?view=chat HTTP/1.1\r\nHost: {HOST}\r\nCf-Connecting-Ip: 198.51.100.7\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        for (name, value) in [("Cookie", cookie), ("Origin", origin)] {
            if let Some(value) = value {
                lines += &format!("{name}: {value}\r\n");
            }
        }
        status_of(outside.port, &format!("{lines}\r\n")).await
    };

    assert_eq!(shake(Some(&cookie), Some(OURS)).await, 101);
    assert_eq!(shake(None, Some(OURS)).await, 401);
    assert_eq!(shake(Some(&cookie), None).await, 403);
    for origin in FOREIGN.iter().chain(&[house.origin().as_str()]) {
        assert_eq!(shake(Some(&cookie), Some(origin)).await, 403, "{origin}");
    }
    let local = house.log_in().await;
    assert_eq!(shake(Some(&local), Some(OURS)).await, 401);
}

/// The status of an answer whose connection may stay open.
async fn status_of(port: u16, request: &str) -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    let reading = tokio::time::timeout(PATIENCE, stream.read_exact(&mut head));
    reading.await.unwrap().unwrap();
    String::from_utf8_lossy(&head[9..]).parse().unwrap()
}

#[tokio::test]
async fn no_way_of_writing_a_path_leads_past_the_chat() {
    let (house, outside, cookie) = away().await;
    for path in [
        "/chat/../devices",
        "/chat/%2e%2e/devices",
        "/chat/..%2fdevices",
        "/chat//../devices",
        "/chat/./../api/status",
        "/%63hat/../api/status",
        "//devices",
        "/devices/",
        "/DEVICES",
        "/api/status",
        "/api//status",
        "/api/opencode/session",
        "/api/opencode/../opencode/session",
        "/chat/..;/api/status",
        "/chat\\..\\devices",
    ] {
        let status = outside.ask("GET", path).page_of(&cookie).status().await;
        assert!(matches!(status, 400 | 403 | 404), "{path}: {status}");
    }
    for path in [
        "/devices/revoke",
        "/devices/pair",
        "/devices/outside",
        "/password",
        "/api/modules/chat/greet",
        "/api/opencode/session/ses_1/shell",
        "/api/opencode/global/dispose",
    ] {
        let asked = outside.ask("POST", path).page_of(&cookie).with("Origin", OURS);
        assert_eq!(asked.json("{}").status().await, 403, "{path}");
    }
    assert_eq!(house.recorded().len(), 0);
    assert_eq!(house.calls(), []);
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_or_is_no_request_is_refused() {
    let (_house, outside, cookie) = away().await;
    let head =
        format!("Host: {HOST}\r\nCf-Connecting-Ip: 198.51.100.7\r\nCookie: {cookie}\r\nOrigin: {OURS}\r\n");
    let smuggled = format!("GET /chat HTTP/1.1\r\n{head}\r\n");
    let chunked = format!("2\r\n{{}}\r\n0\r\n\r\n{smuggled}");
    for (lines, body) in [
        ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", &chunked),
        ("Content-Length: 2\r\nContent-Length: 20\r\n", &smuggled),
        ("Transfer-Encoding: xchunked\r\n", &chunked),
        ("Transfer-Encoding : chunked\r\n", &chunked),
    ] {
        let request = format!("POST /chat/act HTTP/1.1\r\n{head}{lines}\r\n{body}");
        let answer = raw(outside.port, request.as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{lines:?}: {answer}");
        assert_eq!(Answer::parse(&answer).status, 400, "{lines:?}");
    }
    for (line, status) in [
        ("TRACE /chat HTTP/1.1", 405),
        ("CONNECT /chat HTTP/1.1", 405),
        ("OPTIONS /chat HTTP/1.1", 405),
        ("GET http://evil.example/ HTTP/1.1", 400),
        ("GET /chat HTTP/3.0", 400),
    ] {
        let request = format!("{line}\r\n{head}Connection: close\r\n\r\n");
        let answer = raw(outside.port, request.as_bytes()).await;
        assert_eq!(Answer::parse(&answer).status, status, "{line}");
    }
    let preface = raw(outside.port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(Answer::parse(&preface).status, 400);
}

#[tokio::test]
async fn a_login_has_a_token_of_its_own_and_its_end_counts_at_once() {
    let (house, outside, first) = away().await;
    let is_in = async |cookie: &str| outside.ask("GET", "/chat").page_of(cookie).status().await == 200;
    let second = outside.log_in().await;
    assert_ne!(first, second);
    let token = second.split_once('=').unwrap().1;
    for name in ["token", "auth_token", "session", "ticket", "code"] {
        let path = format!("/chat?{name}={token}");
        assert_eq!(outside.ask("GET", &path).status().await, 401, "{name}");
    }

    let out = outside
        .ask("POST", "/logout")
        .page_of(&second)
        .with("Origin", OURS);
    assert_eq!(out.status().await, 303);
    assert!(!is_in(&second).await && is_in(&first).await);

    // A week without use is the end; six days are not.
    house.turn_clock(Duration::from_secs(6 * 24 * 3600));
    assert!(is_in(&first).await);
    house.turn_clock(Duration::from_secs(8 * 24 * 3600));
    assert!(!is_in(&first).await);
}

#[tokio::test]
async fn every_answer_is_hardened() {
    let (_house, outside, cookie) = away().await;
    let asked: Vec<(Ask, u16)> = vec![
        (outside.ask("GET", "/chat").page_of(&cookie), 200),
        (outside.ask("GET", "/chat"), 401),
        (outside.ask("GET", "/login"), 200),
        (outside.ask("GET", "/devices").page_of(&cookie), 403),
        (outside.ask("GET", "/chat/nothing/here").page_of(&cookie), 404),
        (outside.ask("GET", "/healthz").with("Host", "evil.example"), 421),
        (outside.ask("POST", "/chat/act").with("Cookie", &cookie), 403),
        (outside.ask("PROPFIND", "/chat"), 405),
        (outside.ask("GET", "/api//x"), 400),
    ];
    for (ask, status) in asked {
        let answer = ask.send().await;
        assert_eq!(answer.status, status, "{answer:?}");
        for name in [
            "strict-transport-security",
            "x-content-type-options",
            "referrer-policy",
            "content-security-policy",
        ] {
            assert!(answer.header(name).is_some(), "{name}: {answer:?}");
        }
        assert!(answer.header("server").is_none() && answer.header("x-powered-by").is_none());
    }
}

#[tokio::test]
async fn what_is_shown_beside_the_chat_is_switched_on_at_the_machine_by_somebody_known() {
    let (house, outside, cookie) = away().await;
    let own = house.log_in().await;
    let dashboard = async || outside.ask("GET", "/dashboard").page_of(&cookie).status().await;
    let save = async |body: &str| {
        let form = house.form("/devices/outside", body).with("Cookie", &own);
        form.status().await
    };
    assert_eq!(dashboard().await, 403);

    assert_eq!(save("dashboard=true").await, 303);
    // The house has no such page: it is looked for, and not refused.
    assert_eq!(dashboard().await, 404);
    assert_eq!(outside.ask("GET", "/logs").page_of(&cookie).status().await, 403);
    assert_eq!(save("").await, 303);
    assert_eq!(dashboard().await, 403);

    house.turn_clock(Duration::from_secs(11 * 60));
    assert_eq!(save("dashboard=true&logs=true").await, 403);
    assert_eq!(house.settings.get("gateway.outside").unwrap(), "[]");
    let others = house.form("/devices/revoke", "others=1").with("Cookie", &own);
    assert_eq!(others.status().await, 403);
}

#[tokio::test]
async fn a_device_that_has_used_up_its_share_waits_and_nobody_else() {
    let (house, outside, cookie) = away().await;
    let own = house.log_in().await;
    house
        .settings
        .set("gateway.device_requests_per_min", "5")
        .unwrap();
    let other = outside.log_in().await;
    let ask = |cookie: &str| outside.ask("GET", "/chat").page_of(cookie);

    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(ask(&cookie).status().await);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    let refused = ask(&cookie).send().await;
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(ask(&other).status().await, 200);
    for _ in 0..8 {
        assert_eq!(house.ask("GET", "/chat").page_of(&own).status().await, 200);
    }

    house.turn_clock(Duration::from_secs(61));
    assert_eq!(ask(&cookie).status().await, 200);
    house.settings.set("gateway.device_mib_per_h", "1").unwrap();
    let large = outside
        .ask("POST", "/chat/act")
        .page_of(&cookie)
        .with("Origin", OURS)
        .body(&"x".repeat(1_100_000));
    assert_eq!(large.send().await.body, "taken");
    // The way out stays open.
    let out = async || {
        outside
            .ask("POST", "/logout")
            .page_of(&cookie)
            .with("Origin", OURS)
            .status()
            .await
    };
    assert_eq!(ask(&cookie).status().await, 429);
    house.turn_clock(Duration::from_secs(3601));
    assert_eq!(ask(&cookie).status().await, 200);
    assert_eq!(large.send().await.body, "taken");
    assert_eq!((ask(&cookie).status().await, out().await), (429, 303));
}

#[tokio::test]
async fn nobody_else_gets_the_port_while_something_may_still_lead_to_it() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let is_free = || TcpListener::bind(("127.0.0.1", outside.port)).is_ok();
    house.outside.send_replace(Outside {
        is_held: true,
        ..Outside::default()
    });
    let mut origin = house.tunnel_origin.clone();
    let closed = origin.wait_for(|origin| *origin == Origin::Closed);
    tokio::time::timeout(PATIENCE, closed).await.unwrap().unwrap();

    assert!(!is_free());
    // It takes connections and answers nobody.
    let ask = outside.ask("GET", "/healthz");
    let nothing = tokio::time::timeout(Duration::from_millis(300), ask.send());
    assert!(nothing.await.is_err());

    house.outside.send_replace(Outside::default());
    until(is_free).await;
}

#[tokio::test]
async fn a_program_that_ends_keeps_the_port_until_nobody_leads_to_it() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let is_free = || TcpListener::bind(("127.0.0.1", outside.port)).is_ok();
    let mut origin = house.tunnel_origin.clone();

    house.ends();

    let closed = origin.wait_for(|origin| *origin == Origin::Closed);
    tokio::time::timeout(PATIENCE, closed).await.unwrap().unwrap();
    assert!(!is_free());
    let nothing = outside.ask("GET", "/healthz");
    let nothing = tokio::time::timeout(Duration::from_millis(300), nothing.send());
    assert!(nothing.await.is_err());
    house.outside.send_replace(Outside::default());
    until(is_free).await;
}

#[tokio::test]
async fn a_port_whose_password_went_is_kept_until_nobody_leads_to_it() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let is_free = || TcpListener::bind(("127.0.0.1", outside.port)).is_ok();
    let mut origin = house.tunnel_origin.clone();
    std::fs::write(house.folder.path().join("credential"), "nonsense").unwrap();

    let refused = origin.wait_for(|origin| matches!(origin, Origin::Refused(_)));
    let began = Instant::now();
    tokio::time::timeout(PATIENCE, refused).await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));

    assert!(!is_free());
    house.outside.send_replace(Outside::default());
    until(is_free).await;
}

#[tokio::test]
async fn where_the_machine_itself_is_not_served_nobody_is() {
    let house = House::open().await;
    house.open_outside(HOST).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut origin = house.tunnel_origin.clone();
    house.settings.set("gateway.port", &port.to_string()).unwrap();

    let refused = origin.wait_for(|origin| matches!(origin, Origin::Refused(_)));
    let refused = tokio::time::timeout(Duration::from_secs(2), refused)
        .await
        .unwrap()
        .unwrap()
        .clone();
    let Origin::Refused(reason) = refused else {
        panic!("{refused:?}")
    };
    assert!(reason.contains("at the machine itself"), "{reason}");

    house.settings.set("gateway.port", "0").unwrap();
    let open = origin.wait_for(|origin| matches!(origin, Origin::Open(_)));
    tokio::time::timeout(PATIENCE, open).await.unwrap().unwrap();
}

async fn until(is_so: impl Fn() -> bool) {
    let late = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < late);
        tokio::task::yield_now().await;
    }
}
