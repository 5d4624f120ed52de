use std::time::Duration;

use crate::house::{House, PASSWORD};

const WRONG: &str = "not the password at all";

#[tokio::test]
async fn five_wrong_passwords_lock_the_source_for_a_while_then_longer() {
    let house = House::open().await;
    for attempt in 0..5 {
        assert_eq!(house.log_in_with(WRONG).await.status, 401, "{attempt}");
    }

    // No hash is computed: that alone takes longer. Of ten tries one is not held up by other tests.
    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        let start = std::time::Instant::now();
        assert_eq!(house.log_in_with(PASSWORD).await.status, 429);
        fastest = fastest.min(start.elapsed());
    }
    let locked = house.log_in_with(PASSWORD).await;

    assert!(fastest < Duration::from_millis(30), "{fastest:?}");
    let left: u64 = locked.header("retry-after").unwrap().parse().unwrap();
    assert!((840..=900).contains(&left), "{left}");
    assert!(locked.body.contains("nexus open"), "{}", locked.body);
    house.turn_clock(Duration::from_secs(901));
    for _ in 0..5 {
        assert_eq!(house.log_in_with(WRONG).await.status, 401);
    }
    let left: u64 = house
        .log_in_with(PASSWORD)
        .await
        .header("retry-after")
        .unwrap()
        .parse()
        .unwrap();
    assert!((1740..=1800).contains(&left), "{left}");
    house.turn_clock(Duration::from_secs(1801));
    assert_eq!(house.log_in_with(PASSWORD).await.status, 303);
}

#[tokio::test]
async fn no_header_makes_another_source_of_the_same_peer() {
    let house = House::open().await;
    let attempt = async |number: usize| {
        let address = format!("198.51.100.{number}");
        let mut asked = house.form("/login", "password=not+the+password+at+all");
        for name in [
            "X-Forwarded-For",
            "CF-Connecting-IP",
            "X-Real-IP",
            "Forwarded",
            "True-Client-IP",
        ] {
            asked = asked.with(name, &address);
        }
        asked.status().await
    };

    let mut statuses = Vec::new();
    for number in 0..100 {
        statuses.push(attempt(number).await);
    }

    assert_eq!(statuses[..5], [401; 5]);
    assert_eq!(statuses[5..], [429; 95]);
}

#[tokio::test]
async fn a_lock_survives_a_restart_and_a_session_survives_the_lock() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    for _ in 0..5 {
        house.log_in_with(WRONG).await;
    }

    let house = house.restart().await;

    assert_eq!(house.log_in_with(PASSWORD).await.status, 429);
    assert_eq!(house.ask("GET", "/chat").page_of(&cookie).status().await, 200);
}

#[tokio::test]
async fn attempts_made_at_once_are_no_way_around_the_limit() {
    let house = House::open().await;
    let mut storm = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let asked = house.form("/login", "password=not+the+password+at+all");
        storm.spawn(async move { asked.status().await });
    }

    let statuses = storm.join_all().await;

    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 95);
    assert_eq!(house.ask("GET", "/healthz").status().await, 200);
}

#[tokio::test]
async fn tickets_enter_while_the_form_is_locked() {
    let house = House::open().await;
    for _ in 0..5 {
        house.log_in_with(WRONG).await;
    }

    let cookie = house.enter(gateway::Purpose::Link).await;

    assert_eq!(house.ask("GET", "/chat").page_of(&cookie).status().await, 200);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_loopback_address_is_no_other_source() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let house = House::open().await;
    let attempt = async |last: u8, password: &str| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, last], 0).into()).unwrap();
        let mut stream = socket.connect(([127, 0, 0, 1], house.port).into()).await.unwrap();
        let asked = house.form("/login", &format!("password={password}"));
        stream.write_all(&asked.bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        crate::house::Answer::parse(&answer).status
    };

    for last in 1..=5 {
        assert_eq!(attempt(last, "wrong").await, 401, "{last}");
    }

    for last in 1..=10 {
        assert_eq!(attempt(last, "wrong").await, 429, "{last}");
    }
    assert_eq!(attempt(200, "a+walrus+plays+the+banjo").await, 429);
}

#[tokio::test]
async fn the_owner_forgives_every_address_also_over_a_restart() {
    let house = House::open().await;
    for _ in 0..5 {
        house.log_in_with(WRONG).await;
    }
    assert_eq!(house.log_in_with(PASSWORD).await.status, 429);

    house.door.allow_logins().await.unwrap();

    assert_eq!(house.log_in_with(WRONG).await.status, 401);
    let house = house.restart().await;
    assert_eq!(house.log_in_with(PASSWORD).await.status, 303);
}
