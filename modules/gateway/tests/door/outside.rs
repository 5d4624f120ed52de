//! The port that only cloudflared is given.

use std::time::{Duration, Instant};

use kit::{Origin, Outside};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    house::{House, PASSWORD, PATIENCE},
    login::{OPERATIONS, filled},
};

const HOST: &str = "grove-amber-heron-a12d.trycloudflare.com";
const WRONG: &str = "not the password at all";

#[tokio::test]
async fn nothing_is_open_until_it_is_wanted_and_a_password_is_set() {
    let house = House::without_password().await;
    assert_eq!(*house.tunnel_origin.borrow(), Origin::Closed);

    house.outside.send_replace(Outside {
        is_wanted: true,
        is_held: false,
        port: 0,
        hosts: vec![HOST.to_owned()],
        is_lasting: false,
    });
    let mut origin = house.tunnel_origin.clone();
    let refused = origin.wait_for(|origin| matches!(origin, Origin::Refused(_)));
    let refused = tokio::time::timeout(PATIENCE, refused)
        .await
        .unwrap()
        .unwrap()
        .clone();

    let Origin::Refused(reason) = refused else {
        panic!("{refused:?}")
    };
    assert!(reason.contains("nexus password set"), "{reason}");

    // A reason that has gone is not kept.
    gateway::credential::Credential::at(house.folder.path())
        .set(PASSWORD)
        .unwrap();
    let open = origin.wait_for(|origin| matches!(origin, Origin::Open(_)));
    tokio::time::timeout(PATIENCE, open).await.unwrap().unwrap();
}

#[tokio::test]
async fn without_a_session_nothing_answers_there_but_the_login() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    for operation in OPERATIONS.lines() {
        let (method, path) = operation.split_once(' ').unwrap();
        let target = format!("/api/opencode{}", filled(path));
        let asked = outside.ask(method, &target).with("Sec-Fetch-Site", "same-origin");
        let asked = if method == "GET" { asked } else { asked.json("{}") };
        assert_eq!(asked.status().await, 401, "{operation}");
    }
    for path in [
        "/",
        "/chat",
        "/live?view=chat",
        "/api/status",
        "/devices",
        "/dashboard",
    ] {
        assert_eq!(outside.ask("GET", path).status().await, 401, "{path}");
    }
    let navigating = outside
        .ask("GET", "/chat")
        .with("Sec-Fetch-Mode", "navigate")
        .with("Accept", "text/html");
    assert_eq!(
        navigating.send().await.header("location"),
        Some("/login?next=%2Fchat")
    );
    assert_eq!(outside.ask("GET", "/healthz").send().await.body, "ok");
    assert_eq!(outside.ask("GET", "/login").status().await, 200);
    assert!(house.recorded().is_empty());
}

#[tokio::test]
async fn what_makes_the_page_an_app_is_public_and_says_nothing_of_the_machine() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;

    for (path, kind) in [
        ("/sw.js", "text/javascript; charset=utf-8"),
        ("/offline", "text/html; charset=utf-8"),
        (web::asset_path("app.webmanifest"), "application/manifest+json"),
        (web::asset_path("app512.png"), "image/png"),
    ] {
        let answer = outside.ask("GET", path).send().await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(kind)),
            "{path}"
        );
        assert!(!answer.body.contains("canary-user"), "{path}");
        assert_eq!(
            outside
                .ask("POST", path)
                .with("Sec-Fetch-Site", "same-origin")
                .status()
                .await,
            405,
            "{path}"
        );
    }
    let worker = outside.ask("GET", "/sw.js").send().await;
    // A browser that kept an old worker asks anew.
    assert_eq!(worker.header("cache-control"), Some("no-store"));
    // In a sandbox it would have no origin, and break every page instead of helping.
    assert_eq!(
        worker.header("content-security-policy"),
        Some("default-src 'none'; connect-src 'self'; frame-ancestors 'none'")
    );
}

#[tokio::test]
async fn a_login_from_outside_gets_a_cookie_for_outside_and_is_told() {
    let mut house = House::open().await;
    let outside = house.open_outside(HOST).await;

    let answer = outside.log_in_from("198.51.100.7", PASSWORD).await;

    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-nexus-"), "{cookie}");
    let attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
    assert_eq!(
        attributes,
        [
            "Path=/",
            "Max-Age=2592000",
            "HttpOnly",
            "SameSite=Strict",
            "Secure"
        ]
    );
    assert_eq!(
        answer.header("strict-transport-security"),
        Some("max-age=31536000")
    );
    let session = answer.cookie();
    assert_eq!(outside.ask("GET", "/chat").page_of(&session).status().await, 200);
    let kit::Told::Notice(notice) = house.notices.recv().await.unwrap() else {
        panic!("a notice is told");
    };
    assert!(notice.body.contains("198.51.100.7"), "{}", notice.body);

    // Each cookie is worth something where it was given only.
    let value = session.split_once('=').unwrap().1;
    let inside = house.log_in().await;
    let (name_inside, value_inside) = inside.split_once('=').unwrap();
    let name_outside = session.split_once('=').unwrap().0;
    for cookie in [inside.clone(), format!("{name_outside}={value_inside}")] {
        assert_eq!(
            outside.ask("GET", "/chat").page_of(&cookie).status().await,
            401,
            "{cookie}"
        );
    }
    for cookie in [session.clone(), format!("{name_inside}={value}")] {
        assert_eq!(
            house.ask("GET", "/chat").page_of(&cookie).status().await,
            401,
            "{cookie}"
        );
    }
}

#[tokio::test]
async fn a_session_from_outside_reaches_the_chat_and_nothing_else() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let cookie = outside.log_in().await;

    for path in [
        "/devices",
        "/dashboard",
        "/api/status",
        "/password",
        "/api/modules/chat/go",
        "/live?view=other",
    ] {
        let asked = outside.ask("GET", path).page_of(&cookie);
        assert_eq!(asked.status().await, 403, "{path}");
    }
    for operation in OPERATIONS.lines() {
        let (method, path) = operation.split_once(' ').unwrap();
        let asked = outside
            .ask(method, &format!("/api/opencode{}", filled(path)))
            .page_of(&cookie);
        let asked = if method == "GET" { asked } else { asked.json("{}") };
        assert_eq!(asked.status().await, 403, "{operation}");
    }
    for (path, body) in [
        ("/password", "current=x&password=y&repeat=y"),
        ("/devices/revoke", "id=x"),
        ("/api/modules/chat/go", ""),
    ] {
        let asked = outside
            .ask("POST", path)
            .page_of(&cookie)
            .with("Content-Type", "application/x-www-form-urlencoded")
            .body(body);
        assert_eq!(asked.status().await, 403, "{path}");
    }
    let ticket = house.door.ticket(gateway::Purpose::Link, "/chat");
    let entering = outside
        .ask("GET", "/enter")
        .with("Authorization", &format!("Ticket {}", ticket.secret.expose()));
    assert_ne!(entering.status().await, 303);
    assert!(house.recorded().is_empty());
    assert!(house.calls().is_empty());
}

#[tokio::test]
async fn only_the_present_name_is_answered_also_on_a_connection_that_lives() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    for host in [
        "evil.example",
        "127.0.0.1",
        &format!("127.0.0.1:{}", outside.port),
        &format!("127.0.0.1:{}", house.port),
        "localhost",
        "grove-amber-heron-a12d.trycloudflare.com.",
        "GROVE-amber-heron-a12d.trycloudflare.com:443",
    ] {
        let answer = outside.ask("GET", "/login").with("Host", host).send().await;
        assert_eq!((answer.status, answer.body.as_str()), (421, ""), "{host}");
    }
    assert_eq!(house.ask("GET", "/login").with("Host", HOST).status().await, 421);

    let mut stream = TcpStream::connect(("127.0.0.1", outside.port)).await.unwrap();
    let mut status = async || {
        let request =
            format!("GET /healthz HTTP/1.1\r\nHost: {HOST}\r\nCf-Connecting-Ip: 198.51.100.7\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 4096];
        let count = stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[9..count.min(12)]).into_owned()
    };
    assert_eq!(status().await, "200");
    let again = house.open_outside("other-name.trycloudflare.com").await;
    // The change has been taken in once the new name is answered.
    while again.ask("GET", "/healthz").status().await != 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(status().await, "421");
}

#[tokio::test]
async fn whoever_does_not_come_from_the_edge_is_turned_away() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let without = |lines: &str| {
        let request = format!("GET /login HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{lines}\r\n");
        let port = outside.port;
        async move { crate::house::raw(port, request.as_bytes()).await }
    };
    for lines in [
        "",
        "Cf-Connecting-Ip: \r\n",
        "Cf-Connecting-Ip: somebody\r\n",
        "Cf-Connecting-Ip: 198.51.100.7\r\nCf-Connecting-Ip: 198.51.100.8\r\n",
        "Cf-Connecting-Ip: 198.51.100.7, 198.51.100.8\r\n",
        "X-Forwarded-For: 198.51.100.7\r\n",
    ] {
        let answer = without(lines).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{lines:?}: {answer}");
    }
    let answer = without("Cf-Connecting-Ip: 2001:db8::7\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn guessing_from_one_address_locks_that_address_and_nobody_else() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    for attempt in 0..5 {
        assert_eq!(
            outside.log_in_from("203.0.113.5", WRONG).await.status,
            401,
            "{attempt}"
        );
    }

    let locked = outside.log_in_from("203.0.113.5", PASSWORD).await;

    assert_eq!(locked.status, 429);
    assert!(locked.header("retry-after").is_some());
    assert_eq!(outside.log_in_from("203.0.113.6", PASSWORD).await.status, 303);
    assert_eq!(house.log_in_with(PASSWORD).await.status, 303);
    // One household is one source, however many addresses it has.
    for host in 1..=5 {
        assert_eq!(
            outside
                .log_in_from(&format!("2001:db8:0:1::{host}"), WRONG)
                .await
                .status,
            401
        );
    }
    assert_eq!(
        outside.log_in_from("2001:db8:0:1::99", PASSWORD).await.status,
        429
    );
    assert_eq!(outside.log_in_from("2001:db8:0:2::1", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn a_hundred_wrong_ones_from_everywhere_end_logging_in_from_outside_and_only_that() {
    let mut house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let session = outside.log_in().await;
    let mut statuses = Vec::new();
    for number in 0..200_u32 {
        let address = format!("203.0.{}.{}", number / 100 + 1, number % 100 + 1);
        statuses.push(outside.log_in_from(&address, WRONG).await.status);
    }
    assert_eq!(statuses[..30], [401; 30]);
    assert!(statuses[30..].iter().all(|status| *status == 429), "{statuses:?}");

    for number in 0..70 {
        house.turn_clock(Duration::from_secs(10));
        let answer = outside.log_in_from(&format!("192.0.2.{number}"), WRONG).await;
        assert_eq!(answer.status, 401, "{number}");
    }

    house.turn_clock(Duration::from_secs(3600));
    let off = outside.log_in_from("192.0.2.200", PASSWORD).await;
    assert_eq!(off.status, 429);
    assert!(off.body.contains("nexus devices unlock"), "{}", off.body);
    assert_eq!(house.log_in_with(PASSWORD).await.status, 303);
    assert_eq!(outside.ask("GET", "/chat").page_of(&session).status().await, 200);
    let mut titles = Vec::new();
    while let Ok(kit::Told::Notice(notice)) = house.notices.try_recv() {
        titles.push(notice.title);
    }
    assert_eq!(
        titles
            .iter()
            .filter(|title| title.contains("keeps guessing"))
            .count(),
        1,
        "{titles:?}"
    );

    // The end outlives the program, and the owner lifts it at the machine.
    let house = house.restart().await;
    let outside = house.open_outside(HOST).await;
    assert_eq!(outside.log_in_from("192.0.2.201", PASSWORD).await.status, 429);
    house.door.allow_logins().await.unwrap();
    assert_eq!(outside.log_in_from("192.0.2.201", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn a_password_that_goes_closes_the_port_at_once() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let session = outside.log_in().await;
    assert_eq!(outside.ask("GET", "/chat").page_of(&session).status().await, 200);

    let gone = Instant::now();
    std::fs::remove_file(house.folder.path().join("credential")).unwrap();
    let mut origin = house.tunnel_origin.clone();
    let refused = origin.wait_for(|origin| matches!(origin, Origin::Refused(_)));
    tokio::time::timeout(PATIENCE, refused).await.unwrap().unwrap();

    assert!(gone.elapsed() < Duration::from_secs(2), "{:?}", gone.elapsed());
    while TcpStream::connect(("127.0.0.1", outside.port)).await.is_ok() {
        assert!(gone.elapsed() < Duration::from_secs(5), "the port is still open");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_port_is_kept_over_restarts_and_closes_when_nobody_wants_it() {
    let house = House::open().await;
    let first = house.open_outside(HOST).await;
    let house = house.restart().await;
    let second = house.open_outside(HOST).await;
    assert_eq!(first.port, second.port);

    house.outside.send_replace(Outside::default());
    let mut origin = house.tunnel_origin.clone();
    let closed = origin.wait_for(|origin| *origin == Origin::Closed);
    tokio::time::timeout(PATIENCE, closed).await.unwrap().unwrap();

    assert_eq!(house.ask("GET", "/healthz").status().await, 200);
    house.close().await;
}

#[tokio::test]
async fn a_guard_that_fails_its_trial_leaves_nothing_open() {
    let house = House::open().await;
    let before = house.open_outside(HOST).await;
    house.outside.send_replace(Outside::default());
    let mut origin = house.tunnel_origin.clone();
    let closed = origin.wait_for(|origin| *origin == Origin::Closed);
    tokio::time::timeout(PATIENCE, closed).await.unwrap().unwrap();

    // The door answers nobody, and so not as a guarded one does.
    house.is_shut.store(true, std::sync::atomic::Ordering::Relaxed);
    house.outside.send_replace(Outside {
        is_wanted: true,
        is_held: false,
        port: before.port,
        hosts: vec![HOST.to_owned()],
        is_lasting: false,
    });
    let said = origin.wait_for(|origin| matches!(origin, Origin::Open(_) | Origin::Unopened(_)));
    let said = tokio::time::timeout(PATIENCE, said)
        .await
        .unwrap()
        .unwrap()
        .clone();

    let Origin::Unopened(reason) = said else {
        panic!("{said:?}")
    };
    assert!(reason.contains("own test of its guard failed"), "{reason}");
    assert!(TcpStream::connect(("127.0.0.1", before.port)).await.is_err());
    assert_eq!(house.door.public_url(), None);
}

#[tokio::test]
async fn a_gateway_that_ends_unasked_takes_the_way_in_with_it() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    assert_eq!(outside.ask("GET", "/login").status().await, 200);
    let mut origin = house.tunnel_origin.clone();
    let door = house.door.clone();

    house.fall_over().await;

    assert_eq!(*origin.borrow_and_update(), Origin::Closed);
    assert!(TcpStream::connect(("127.0.0.1", outside.port)).await.is_err());
    assert_eq!(door.public_url(), None);
}
