//! How the sessions of devices that are away end, and what is open in them.

use std::time::{Duration, Instant};

use gateway::SessionKind;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::house::{
    Ask, House, Outdoors,
    socket::{Socket, close_code, text},
    team::{AUDIENCE, TEAM, token},
};

const HOST: &str = "grove-amber-heron-a12d.trycloudflare.com";
const OURS: &str = "https://grove-amber-heron-a12d.trycloudflare.com";
const ASSERTION: &str = "Cf-Access-Jwt-Assertion";
const DAY: Duration = Duration::from_secs(24 * 3600);
const SECOND: Duration = Duration::from_secs(1);
const LOGIN: &str = "password=a+walrus+plays+the+banjo&next=/chat";

fn live(outside: &Outdoors, cookie: &str) -> Ask {
    outside
        .ask("GET", "/live?view=chat")
        .with("Cookie", cookie)
        .with("Origin", OURS)
}

/// A socket that has been heard of.
async fn open(house: &House, outside: &Outdoors, cookie: &str) -> Socket {
    let mut socket = live(outside, cookie).socket().await.unwrap();
    hears(house, &mut socket).await;
    socket
}

/// Fails unless a change reaches the socket.
async fn hears(house: &House, socket: &mut Socket) {
    house.changes.send_replace("a change".to_owned());
    assert!(text(socket).await.contains("a change"));
}

async fn is_in(outside: &Outdoors, cookie: &str) -> bool {
    outside.ask("GET", "/chat").page_of(cookie).status().await == 200
}

#[tokio::test]
async fn the_end_of_a_session_outside_is_the_end_of_its_sockets() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    for way in ["logout", "revoke", "others", "password"] {
        let one = outside.log_in().await;
        let id = house.door.sessions()[0].id.clone();
        let other = outside.log_in().await;
        let owner = house.log_in().await;
        let mut socket = open(&house, &outside, &one).await;
        let mut beside = open(&house, &outside, &other).await;
        let mut inside = house
            .ask("GET", "/live?view=chat")
            .with("Cookie", &owner)
            .with("Origin", &house.origin())
            .socket()
            .await
            .unwrap();
        let by_owner = |path: &str, body: &str| house.form(path, body).with("Cookie", &owner);

        let begun = Instant::now();
        let asked = match way {
            "logout" => outside.ask("POST", "/logout").page_of(&one).with("Origin", OURS),
            "revoke" => by_owner("/devices/revoke", &format!("id={id}")),
            "others" => by_owner("/devices/revoke", "others=1"),
            _ => {
                let change = "current=a+walrus+plays+the+banjo&password=velvet+ocean+kettle&repeat=velvet+ocean+kettle";
                by_owner("/password", change)
            }
        };
        assert_eq!(asked.status().await, 303, "{way}");

        let login = CloseCode::from(web::live::CLOSE_LOGIN);
        assert_eq!(close_code(&mut socket).await, login, "{way}");
        let are_all = matches!(way, "others" | "password");
        if are_all {
            assert_eq!(close_code(&mut beside).await, login, "{way}");
        }
        assert!(begun.elapsed() < SECOND, "{way}: {:?}", begun.elapsed());
        assert!(!is_in(&outside, &one).await, "{way}");
        assert_eq!(is_in(&outside, &other).await, !are_all, "{way}");
        if !are_all {
            hears(&house, &mut beside).await;
        }
        // Whoever does it stays.
        hears(&house, &mut inside).await;
        if !are_all {
            assert!(house.door.revoke_all().await.unwrap() > 0);
        }
    }
}

#[tokio::test]
async fn a_week_without_use_ends_a_session_outside_whatever_its_cookie_says() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let (idle, kept) = (outside.log_in().await, outside.log_in().await);
    let mut socket = open(&house, &outside, &idle).await;

    house.turn_clock(DAY * 7 - SECOND);
    let begun = Instant::now();
    // Being opened, this one is in use; and the end of the other is looked up again.
    let mut beside = open(&house, &outside, &kept).await;

    let login = CloseCode::from(web::live::CLOSE_LOGIN);
    assert_eq!(close_code(&mut socket).await, login);
    assert!(begun.elapsed() < SECOND * 2, "{:?}", begun.elapsed());
    assert!(!is_in(&outside, &format!("{idle}; Max-Age=99999999")).await);
    hears(&house, &mut beside).await;
    assert!(is_in(&outside, &kept).await);
}

#[tokio::test]
async fn a_month_ends_a_session_outside_however_much_it_is_used() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let cookie = outside.log_in().await;
    for _ in 0..4 {
        house.turn_clock(DAY * 6);
        assert!(is_in(&outside, &cookie).await);
    }
    // The time of the story itself comes on top.
    house.turn_clock(DAY * 6 - SECOND * 3);
    assert!(is_in(&outside, &cookie).await);

    let begun = Instant::now();
    let mut socket = open(&house, &outside, &cookie).await;

    let login = CloseCode::from(web::live::CLOSE_LOGIN);
    assert_eq!(close_code(&mut socket).await, login);
    assert!(begun.elapsed() < SECOND * 4, "{:?}", begun.elapsed());
    assert!(!is_in(&outside, &format!("{cookie}; Max-Age=99999999")).await);
    assert!(house.door.sessions().is_empty());
    // Setting the machine's clock back brings nothing back.
    house.turn_clock_back(DAY * 20);
    assert!(!is_in(&outside, &cookie).await);
}

/// A house behind Cloudflare Access, and a session in it.
async fn guarded() -> (House, Outdoors, String) {
    let house = House::open().await;
    house.settings.set("access.team", TEAM).unwrap();
    house.settings.set("access.audience", AUDIENCE).unwrap();
    let outside = house.open_outside(HOST).await;
    let entered = outside
        .ask("POST", "/login")
        .with(ASSERTION, &token("k1", AUDIENCE, DAY))
        .with("Sec-Fetch-Site", "same-origin")
        .with("Content-Type", "application/x-www-form-urlencoded")
        .body(LOGIN)
        .send()
        .await;
    assert_eq!(entered.status, 303, "{entered:?}");
    (house, outside, entered.cookie())
}

#[tokio::test]
async fn a_socket_ends_with_the_access_token_that_opened_it() {
    let (house, outside, cookie) = guarded().await;
    let with = |life| live(&outside, &cookie).with(ASSERTION, &token("k1", AUDIENCE, life));
    assert_eq!(live(&outside, &cookie).socket().await.err(), Some(403));
    let mut lasting = with(DAY).socket().await.unwrap();

    // A token ends with a whole second.
    let begun = Instant::now();
    let mut socket = with(SECOND * 3).socket().await.unwrap();
    hears(&house, &mut socket).await;

    // The page is loaded anew, which leads the person to Cloudflare's login.
    let code = close_code(&mut socket).await;
    assert_eq!(code, CloseCode::from(web::live::CLOSE_RELOAD));
    let took = begun.elapsed();
    assert!((SECOND..SECOND * 4).contains(&took), "{took:?}");
    assert_eq!(with(Duration::ZERO).socket().await.err(), Some(403));
    // The session is another thing, and so is a token that holds.
    hears(&house, &mut lasting).await;
    assert_eq!(house.door.sessions().len(), 1);
    assert_eq!(house.door.sessions()[0].kind, SessionKind::Login);
    // What streams otherwise is for this machine.
    let events = outside
        .ask("GET", "/api/opencode/global/event")
        .page_of(&cookie)
        .with(ASSERTION, &token("k1", AUDIENCE, DAY));
    assert_eq!(events.status().await, 403);
}

#[tokio::test]
async fn a_socket_ends_when_other_tokens_are_asked_for() {
    let (house, outside, cookie) = guarded().await;
    let opened = live(&outside, &cookie).with(ASSERTION, &token("k1", AUDIENCE, DAY));
    let mut socket = opened.socket().await.unwrap();
    hears(&house, &mut socket).await;

    let begun = Instant::now();
    house.settings.set("access.audience", "another").unwrap();

    let code = close_code(&mut socket).await;
    assert_eq!(code, CloseCode::from(web::live::CLOSE_RELOAD));
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    assert_eq!(opened.socket().await.err(), Some(403));
}
