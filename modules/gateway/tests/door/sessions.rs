use std::{net::Ipv4Addr, time::Duration};

use gateway::{Purpose, SessionKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::house::House;

async fn is_in(house: &House, cookie: &str) -> bool {
    match house.ask("GET", "/chat").page_of(cookie).status().await {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn every_login_gets_a_token_of_its_own_and_a_chosen_one_is_worth_nothing() {
    let house = House::open().await;
    let first = house.log_in().await;
    let name = first.split('=').next().unwrap();
    let chosen = format!("{name}={}", "ab".repeat(32));

    let second = house
        .form("/login", "password=a+walrus+plays+the+banjo")
        .with("Cookie", &chosen)
        .send()
        .await
        .cookie();

    assert_ne!(second, chosen);
    assert_ne!(second, first);
    assert!(!is_in(&house, &chosen).await);
    assert!(is_in(&house, &second).await);
    // Whoever logs in again in the same browser leaves no session behind.
    let third = house
        .form("/login", "password=a+walrus+plays+the+banjo")
        .with("Cookie", &second)
        .send()
        .await
        .cookie();
    assert!(!is_in(&house, &second).await);
    assert!(is_in(&house, &third).await);
}

#[tokio::test]
async fn logging_out_counts_at_once_and_for_the_server() {
    let house = House::open().await;
    let cookie = house.log_in().await;

    let answer = house.ask("POST", "/logout").page_of(&cookie).send().await;

    assert_eq!((answer.status, answer.header("location")), (303, Some("/login")));
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(!is_in(&house, &cookie).await);
    let house = house.restart().await;
    assert!(!is_in(&house, &cookie).await);
}

#[tokio::test]
async fn a_session_ends_by_the_servers_clock() {
    let house = House::open().await;
    let cookie = house.log_in().await;

    house.turn_clock(Duration::from_secs(29 * 24 * 3600));
    assert!(is_in(&house, &cookie).await);
    house.turn_clock(Duration::from_secs(2 * 24 * 3600));
    assert!(!is_in(&house, &format!("{cookie}; Max-Age=99999999")).await);
    assert!(!is_in(&house, &cookie).await);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all_at_once() {
    let house = House::open().await;
    let (own, other) = (house.log_in().await, house.log_in().await);
    let window = house.enter(Purpose::Window).await;
    let sessions = house.door.sessions();
    let kinds = |kind| sessions.iter().filter(|session| session.kind == kind).count();
    assert_eq!(
        (
            sessions.len(),
            kinds(SessionKind::Login),
            kinds(SessionKind::Window)
        ),
        (3, 2, 1)
    );

    house.turn_clock(Duration::from_secs(1));
    let page = house.ask("GET", "/devices").page_of(&own).send().await;
    assert_eq!(page.body.matches("name=\"id\"").count(), 3);
    assert_eq!(page.body.matches("(this one)").count(), 1);
    // The list is sorted by use: the own session was used last.
    let others: Vec<_> = house.door.sessions().into_iter().skip(1).collect();
    let status = house
        .form("/devices/revoke", &format!("id={}", others[0].id))
        .with("Cookie", &own)
        .status()
        .await;
    assert_eq!((status, house.door.sessions().len()), (303, 2));

    house
        .form("/devices/revoke", "others=1")
        .with("Cookie", &own)
        .send()
        .await;
    assert_eq!(house.door.sessions().len(), 1);
    assert!(is_in(&house, &own).await && !is_in(&house, &other).await && !is_in(&house, &window).await);
}

#[tokio::test]
async fn no_address_carries_a_session() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let token = cookie.split_once('=').unwrap().1;

    for name in ["token", "auth_token", "session", "ticket", "access_token"] {
        let path = format!("/api/opencode/session?{name}={token}");
        assert_eq!(house.ask("GET", &path).status().await, 401, "{name}");
        let inside = house.ask("GET", &path).page_of(&cookie).status().await;
        assert_eq!(inside, 200, "{name}");
    }

    let recorded = house.recorded();
    assert_eq!(recorded.len(), 5);
    assert!(
        recorded.iter().all(|request| request.target == "/session"),
        "{recorded:?}"
    );
}

#[tokio::test]
async fn no_file_holds_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) =
        store::Store::open(&folder.path().join("state.db"), std::time::SystemTime::now()).unwrap();
    let house = House::open().await.over_store(store).await;
    let cookie = house.log_in().await;
    let script = house.door.script_token("backup").await.unwrap();
    let ticket = house.door.ticket(Purpose::Link, "/chat");
    let secrets = [
        cookie.split_once('=').unwrap().1,
        &script.expose()[6..],
        ticket.secret.expose(),
    ];

    for place in [folder.path(), house.folder.path()] {
        for entry in std::fs::read_dir(place).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            for secret in secrets {
                assert!(
                    !bytes
                        .windows(secret.len())
                        .any(|window| window == secret.as_bytes())
                );
            }
        }
    }
}

#[tokio::test]
async fn a_script_uses_the_api_and_no_page() {
    let house = House::open().await;
    let token = house.door.script_token("backup").await.unwrap();
    let bearer = format!("Bearer {}", token.expose());
    let ask = |method: &str, path: &str| house.ask(method, path).with("Authorization", &bearer);

    assert_eq!(ask("GET", "/api/status").status().await, 200);
    assert_eq!(
        ask("POST", "/api/opencode/session").json("{}").status().await,
        200
    );
    assert_eq!(ask("GET", "/chat").status().await, 401);
    assert_eq!(ask("POST", "/password").status().await, 401);
    let id = house.door.sessions()[0].id.clone();
    assert!(house.door.revoke(&id).await.unwrap());
    assert_eq!(ask("GET", "/api/status").status().await, 401);
}

#[tokio::test]
async fn a_lost_database_ends_all_sessions_and_the_login_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let open = || store::Store::open(&path, std::time::SystemTime::now()).unwrap();
    let house = House::open().await.over_store(open().0).await;
    let cookie = house.log_in().await;
    let house = house.over_store(store::Store::in_memory().unwrap()).await;
    std::fs::write(&path, [0xA5; 9000]).unwrap();

    let (store, quarantined) = open();
    let house = house.over_store(store).await;

    assert!(quarantined.is_some());
    assert!(!is_in(&house, &cookie).await);
    let cookie = house.log_in().await;
    assert!(is_in(&house, &cookie).await);
}

#[tokio::test]
async fn a_cookie_that_another_port_planted_logs_nobody_out() {
    let house = House::open().await;
    let (own, other) = (house.log_in().await, house.log_in().await);
    let name = own.split('=').next().unwrap();
    let guessed = format!("{name}={}", "ab".repeat(32));

    for planted in [
        format!("{name}=x; {own}"),
        format!("{own}; {name}=x"),
        format!("{name}=; {name}=x; {guessed}; {own}"),
    ] {
        assert!(is_in(&house, &planted).await, "{planted}");
    }

    // Which of two sessions is meant nobody knows; and no more values are tried than a browser has reason to send.
    for planted in [
        format!("{own}; {other}"),
        format!("{own}; {own}"),
        format!("{name}=; {name}=x; {guessed}; {guessed}; {own}"),
        guessed,
    ] {
        assert!(!is_in(&house, &planted).await, "{planted}");
    }
    let answer = house
        .ask("POST", "/logout")
        .page_of(&format!("{name}=x; {own}"))
        .send()
        .await;
    assert_eq!(answer.status, 303);
    assert!(!is_in(&house, &own).await);
}

#[tokio::test]
async fn what_is_still_being_sent_when_the_session_ends_is_not_done() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let slowly = async |ends: bool| {
        let asked = house.ask("POST", "/api/modules/chat/greet").page_of(&cookie);
        let bytes = asked.json(r#"{"args":["you"]}"#).bytes();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, house.port))
            .await
            .unwrap();
        let (first, rest) = bytes.split_at(bytes.len() - 5);
        stream.write_all(first).await.unwrap();
        if ends {
            // The request is in the session by then: another one, sent later, has been answered.
            assert_eq!(house.ask("GET", "/chat").page_of(&cookie).status().await, 200);
            house.door.revoke_all().await.unwrap();
        }
        // It may have been hung up on.
        stream.write_all(rest).await.ok();
        let mut answer = String::new();
        stream.take(15).read_to_string(&mut answer).await.ok();
        answer
    };

    assert_eq!(slowly(false).await, "HTTP/1.1 200 OK");
    assert_eq!(house.calls().len(), 1);
    let refused = slowly(true).await;

    assert!(!refused.contains("200"), "{refused}");
    assert!(house.calls().is_empty());
}

#[tokio::test]
async fn what_opens_something_wants_a_login_of_the_last_ten_minutes() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let asked = async |verb: &str, body: &str| {
        let asked = house
            .ask("POST", &format!("/api/modules/chat/{verb}"))
            .page_of(&cookie);
        asked.json(body).send().await
    };
    assert_eq!(asked("open", "{}").await.status, 200);

    house.turn_clock(Duration::from_secs(11 * 60));

    let refused = asked("open", "{}").await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("reauth_required"), "{}", refused.body);
    assert_eq!(asked("greet", r#"{"args":["you"]}"#).await.status, 200);
    assert_eq!(house.calls().len(), 2);
}
