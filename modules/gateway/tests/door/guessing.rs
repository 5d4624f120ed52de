//! Passwords that come in through the tunnel.

use std::time::Duration;

use gateway::Purpose;
use kit::{Origin, Outside};

use crate::house::{Answer, House, Outdoors, PASSWORD, PATIENCE};

const HOST: &str = "grove-amber-heron-a12d.trycloudflare.com";
const WRONG: &str = "not the password at all";
const SET: &str = "password=velvet+ocean+kettle&repeat=velvet+ocean+kettle";

fn without_date(mut answer: Answer) -> Answer {
    answer.headers.retain(|(name, _)| name != "date");
    answer
}

async fn is_in(outside: &Outdoors, cookie: &str) -> bool {
    outside.ask("GET", "/chat").page_of(cookie).status().await == 200
}

#[tokio::test]
async fn only_what_cloudflare_says_of_its_visitor_makes_another_one() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let attempt = async |number: usize| {
        let address = format!("192.0.2.{number}");
        let mut asked = outside
            .ask("POST", "/login")
            .with("Sec-Fetch-Site", "same-origin")
            .with("Content-Type", "application/x-www-form-urlencoded")
            .body("password=not+the+password+at+all");
        for name in [
            "X-Forwarded-For",
            "X-Real-IP",
            "Forwarded",
            "True-Client-IP",
            "Cf-Connecting-IPv6",
            "Cf-Pseudo-IPv4",
        ] {
            asked = asked.with(name, &address);
        }
        asked.status().await
    };

    let mut statuses = Vec::new();
    for number in 0..20 {
        statuses.push(attempt(number).await);
    }

    assert_eq!(statuses[..5], [401; 5]);
    assert_eq!(statuses[5..], [429; 15]);
    assert_eq!(outside.log_in_from("192.0.2.1", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn a_lock_from_outside_survives_a_restart_and_a_session_survives_the_lock() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let session = outside.log_in().await;
    for _ in 0..5 {
        assert_eq!(outside.log_in_from("198.51.100.7", WRONG).await.status, 401);
    }
    for host in 1..=5 {
        let address = format!("2001:db8:0:1::{host}");
        assert_eq!(outside.log_in_from(&address, WRONG).await.status, 401);
    }
    assert!(is_in(&outside, &session).await);

    let house = house.restart().await;
    let outside = house.open_outside(HOST).await;

    for address in ["198.51.100.7", "2001:db8:0:1:ffff::9"] {
        let locked = outside.log_in_from(address, PASSWORD).await;
        assert_eq!(locked.status, 429, "{address}");
        let left: u64 = locked.header("retry-after").unwrap().parse().unwrap();
        assert!((840..=900).contains(&left), "{left}");
    }
    assert!(is_in(&outside, &session).await);
    assert_eq!(outside.log_in_from("198.51.100.8", PASSWORD).await.status, 303);
    assert_eq!(house.log_in_with(PASSWORD).await.status, 303);
}

#[tokio::test]
async fn every_failed_login_from_outside_gets_one_answer_or_finds_the_port_shut() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let mut answers = Vec::new();
    for (address, password) in [
        ("203.0.113.1", WRONG),
        ("203.0.113.2", &format!("{PASSWORD} ")),
        ("203.0.113.3", ""),
        ("203.0.113.4", &"x".repeat(128)),
        ("2001:db8::1", WRONG),
    ] {
        answers.push(without_date(outside.log_in_from(address, password).await));
    }

    assert_eq!(answers[0].status, 401);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");

    // Where no password can be right there is no answer at all.
    for spoil in [
        (|path| std::fs::remove_file(path).unwrap()) as fn(std::path::PathBuf),
        |path| std::fs::write(path, "$argon2id$v=19$m=19456,t=2,p=1$broken").unwrap(),
    ] {
        let outside = house.open_outside(HOST).await;
        spoil(house.folder.path().join("credential"));
        let mut origin = house.tunnel_origin.clone();
        let shut = origin.wait_for(|origin| matches!(origin, Origin::Refused(_)));
        tokio::time::timeout(PATIENCE, shut).await.unwrap().unwrap();

        let attempt = outside.log_in_from("203.0.113.9", PASSWORD);
        let answered = tokio::time::timeout(Duration::from_millis(300), attempt).await;
        assert!(answered.is_err(), "{answered:?}");

        house.outside.send_replace(Outside::default());
        gateway::credential::Credential::at(house.folder.path())
            .set(PASSWORD)
            .unwrap();
        let closed = origin.wait_for(|origin| *origin == Origin::Closed);
        tokio::time::timeout(PATIENCE, closed).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn nobody_sets_a_password_from_outside() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let session = outside.log_in().await;
    let path = house.folder.path().join("credential");
    let before = std::fs::read(&path).unwrap();
    let used = house.door.ticket(Purpose::SetUp, "/onboarding");
    let form = |path: &str, body: &str| {
        outside
            .ask("POST", path)
            .with("Sec-Fetch-Site", "same-origin")
            .with("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    };
    let entering = format!("ticket={}", used.secret.expose());
    assert_eq!(house.form("/enter", &entering).status().await, 303);
    let late = house.door.ticket(Purpose::SetUp, "/onboarding");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11 * 60)).await;
    tokio::time::resume();
    let fresh = house.door.ticket(Purpose::SetUp, "/onboarding");
    let sessions = house.door.sessions().len();

    for (ticket, what) in [
        ("".to_owned(), "none"),
        ("0".repeat(64), "an unknown one"),
        (used.secret.expose().to_owned(), "a used one"),
        (late.secret.expose().to_owned(), "a late one"),
        (fresh.secret.expose().to_owned(), "one for the machine"),
    ] {
        for body in [
            format!("ticket={ticket}"),
            format!("ticket={ticket}&{SET}"),
            format!("code={ticket}&name=x"),
        ] {
            for place in ["/enter", "/pair", "/password", "/onboarding"] {
                let asked = form(place, &body).with("Authorization", &format!("Ticket {ticket}"));
                let answer = asked.send().await;
                assert!((400..500).contains(&answer.status), "{place}, {what}: {answer:?}");
                assert_eq!(answer.header("set-cookie"), None, "{place}, {what}");
            }
        }
    }
    for asked in [
        form("/password", SET).with("Cookie", &session),
        form("/password", &format!("current=a+walrus+plays+the+banjo&{SET}")).with("Cookie", &session),
    ] {
        assert_eq!(asked.status().await, 403);
    }

    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(house.door.sessions().len(), sessions);
    assert!(is_in(&outside, &session).await);
    // It was none of theirs to use up.
    let entering = format!("ticket={}", fresh.secret.expose());
    assert_eq!(house.form("/enter", &entering).status().await, 303);
}

#[tokio::test]
async fn a_storm_of_logins_is_turned_away_and_everybody_else_is_served() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let session = outside.log_in().await;
    let mut storm = tokio::task::JoinSet::new();
    for number in 0..500_u32 {
        let outside = outside.clone();
        storm.spawn(async move {
            let address = format!("203.0.{}.{}", number / 250, number % 250 + 1);
            outside.log_in_from(&address, WRONG).await
        });
    }

    // The machine has a place of its own, and whoever is in does not wait for any.
    let others = async {
        assert_eq!(house.log_in_with(PASSWORD).await.status, 303);
        assert!(is_in(&outside, &session).await);
        assert_eq!(outside.ask("GET", "/healthz").status().await, 200);
    };
    let (answers, ()) = tokio::join!(storm.join_all(), others);

    let (checked, turned_away): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 401);
    // One is checked at a time, and eight wait; those that left made room for some.
    assert!((1..=30).contains(&checked.len()), "{}", checked.len());
    assert_eq!(checked.len() + turned_away.len(), 500);
    for answer in turned_away {
        assert_eq!(answer.status, 429, "{answer:?}");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
}
