use std::time::{Duration, Instant};

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use crate::house::{
    House, PATIENCE,
    socket::{Socket, close_code, text},
};

async fn open(house: &House, cookie: Option<&str>, origin: Option<&str>, query: &str) -> Result<Socket, u16> {
    let mut asked = house.ask("GET", &format!("/live?{query}"));
    for (name, value) in [("Cookie", cookie), ("Origin", origin)] {
        if let Some(value) = value {
            asked = asked.with(name, value);
        }
    }
    asked.socket().await
}

#[tokio::test]
async fn a_socket_is_opened_by_our_own_pages_with_a_session() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let origin = house.origin();

    assert_eq!(
        open(&house, None, Some(&origin), "view=chat").await.err(),
        Some(401)
    );
    assert_eq!(
        open(&house, Some(&cookie), None, "view=chat").await.err(),
        Some(403)
    );
    assert_eq!(
        open(&house, Some(&cookie), Some("https://evil.example"), "view=chat")
            .await
            .err(),
        Some(403)
    );
    assert_eq!(
        open(&house, Some(&cookie), Some("null"), "view=chat").await.err(),
        Some(403)
    );
    assert_eq!(
        open(&house, Some(&cookie), Some(&origin), "view=none")
            .await
            .err(),
        Some(404)
    );
    assert_eq!(
        open(&house, Some(&cookie), Some(&origin), "view=chat&key=missing")
            .await
            .err(),
        Some(404)
    );
    assert!(
        open(&house, Some(&cookie), Some(&origin), "view=chat")
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn changes_arrive_and_a_probe_is_answered() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let mut socket = open(&house, Some(&cookie), Some(&house.origin()), "view=chat")
        .await
        .unwrap();

    house.changes.send_replace("one".to_owned());
    assert_eq!(text(&mut socket).await, r#"{"c":"one","p":[["t","text","one"]]}"#);
    socket.send(Message::text(web::live::PROBE)).await.unwrap();
    assert_eq!(text(&mut socket).await, web::live::ALIVE);
}

#[tokio::test]
async fn a_page_without_a_view_of_its_own_hears_whether_somebody_is_there() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let mut socket = open(&house, Some(&cookie), Some(&house.origin()), "view=&key=")
        .await
        .unwrap();

    socket.send(Message::text(web::live::PROBE)).await.unwrap();
    assert_eq!(text(&mut socket).await, web::live::ALIVE);

    house.changes.send_replace("nothing for this page".to_owned());
    socket.send(Message::text(web::live::PROBE)).await.unwrap();
    assert_eq!(text(&mut socket).await, web::live::ALIVE);
}

#[tokio::test]
async fn no_page_gets_more_than_twenty_frames_a_second() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let mut socket = open(&house, Some(&cookie), Some(&house.origin()), "view=chat")
        .await
        .unwrap();
    let changes = house.changes.clone();
    let changing = tokio::spawn(async move {
        for number in 0..2000 {
            changes.send_replace(number.to_string());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        changes.send_replace("end".to_owned());
    });

    let start = Instant::now();
    let mut frames = 0;
    while !text(&mut socket).await.contains("end") {
        frames += 1;
    }

    let most = 1.0 + start.elapsed().as_secs_f64() * 20.0;
    assert!(f64::from(frames) <= most, "{frames} frames, at most {most}");
    changing.await.unwrap();
}

#[tokio::test]
async fn the_end_of_a_session_is_the_end_of_its_sockets() {
    let house = House::open().await;
    let origin = house.origin();
    for way in ["logout", "revoke", "password"] {
        let cookie = house.log_in().await;
        let other = house.log_in().await;
        let mut socket = open(&house, Some(&cookie), Some(&origin), "view=chat")
            .await
            .unwrap();
        house.changes.send_replace(way.to_owned());
        text(&mut socket).await;

        let start = Instant::now();
        match way {
            "logout" => assert_eq!(house.ask("POST", "/logout").page_of(&cookie).status().await, 303),
            "revoke" => assert!(house.door.revoke_all().await.unwrap() > 0),
            _ => {
                let form = "current=a+walrus+plays+the+banjo&password=velvet+ocean+kettle&repeat=velvet+ocean+kettle";
                assert_eq!(
                    house
                        .form("/password", form)
                        .with("Cookie", &other)
                        .status()
                        .await,
                    303
                );
            }
        }

        assert_eq!(
            close_code(&mut socket).await,
            CloseCode::from(web::live::CLOSE_LOGIN),
            "{way}"
        );
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{way}: {:?}",
            start.elapsed()
        );
    }
}

#[tokio::test]
async fn a_session_that_expires_takes_its_streams_along_at_that_moment() {
    const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
    let house = House::open().await;
    let cookie = house.log_in().await;
    house.turn_clock(LIFE - Duration::from_secs(1));
    let mut socket = open(&house, Some(&cookie), Some(&house.origin()), "view=chat")
        .await
        .unwrap();
    let events = house.ask("GET", "/api/opencode/global/event").page_of(&cookie);
    let begun = Instant::now();

    let (code, events) = tokio::join!(close_code(&mut socket), events.send());

    let took = begun.elapsed();
    assert_eq!(code, CloseCode::from(web::live::CLOSE_LOGIN));
    assert_eq!(events.status, 200, "it was open until then");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(house.door.sessions().len(), 0);
}

#[tokio::test]
async fn a_session_has_sixteen_streams_and_gets_places_back() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let origin = house.origin();
    let mut sockets = Vec::new();
    for _ in 0..16 {
        sockets.push(
            open(&house, Some(&cookie), Some(&origin), "view=chat")
                .await
                .unwrap(),
        );
    }

    assert_eq!(
        open(&house, Some(&cookie), Some(&origin), "view=chat")
            .await
            .err(),
        Some(429)
    );
    let events = house
        .ask("GET", "/api/opencode/global/event")
        .page_of(&cookie)
        .status()
        .await;
    assert_eq!(events, 429);
    sockets.pop().unwrap().close(None).await.unwrap();
    let mut status = house.status.clone();
    tokio::time::timeout(
        PATIENCE,
        status.wait_for(|status| status.details["streams"] == 15),
    )
    .await
    .unwrap()
    .unwrap();

    assert!(
        open(&house, Some(&cookie), Some(&origin), "view=chat")
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn pages_are_told_when_the_program_ends() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let mut socket = open(&house, Some(&cookie), Some(&house.origin()), "view=chat")
        .await
        .unwrap();

    let (code, ()) = tokio::join!(close_code(&mut socket), house.close());

    assert_eq!(code, CloseCode::Away);
}
