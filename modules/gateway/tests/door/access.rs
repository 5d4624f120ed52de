//! Cloudflare Access in front of the public name.

use std::time::Duration;

use kit::Origin;

use crate::house::{
    House, PASSWORD, PATIENCE,
    team::{AUDIENCE, TEAM, token},
};

const HOST: &str = "nexus.example.com";
const HOUR: Duration = Duration::from_secs(3600);
const HEADER: &str = "Cf-Access-Jwt-Assertion";

async fn guarded() -> House {
    let house = House::open().await;
    house.settings.set("access.team", TEAM).unwrap();
    house.settings.set("access.audience", AUDIENCE).unwrap();
    house
}

#[tokio::test]
async fn without_its_token_nothing_answers_outside_and_with_it_the_password_is_asked_for_still() {
    let house = guarded().await;
    let outside = house.open_outside(HOST).await;
    let good = token("k1", AUDIENCE, HOUR);

    for path in [
        "/",
        "/login",
        "/healthz",
        "/chat",
        "/sw.js",
        "/assets/x",
        "/api/opencode/session",
    ] {
        assert_eq!(outside.ask("GET", path).status().await, 403, "{path}");
    }
    assert_eq!(outside.log_in_from("198.51.100.7", PASSWORD).await.status, 403);

    let with = |method, path| outside.ask(method, path).with(HEADER, &good);
    assert_eq!(with("GET", "/healthz").status().await, 200);
    assert_eq!(with("GET", "/chat").status().await, 401);
    let mut twice = with("GET", "/healthz");
    twice.headers.push((HEADER.to_owned(), good.clone()));
    assert_eq!(twice.status().await, 403);
    let entered = with("POST", "/login")
        .with("Sec-Fetch-Site", "same-origin")
        .with("Content-Type", "application/x-www-form-urlencoded")
        .body("password=a+walrus+plays+the+banjo&next=/chat")
        .send()
        .await;
    assert_eq!(entered.status, 303);
    let cookie = entered.cookie();
    assert_eq!(with("GET", "/chat").page_of(&cookie).status().await, 200);
    // The session alone is not enough.
    assert_eq!(outside.ask("GET", "/chat").page_of(&cookie).status().await, 403);
    // At the machine nobody asks for it.
    assert_eq!(house.ask("GET", "/healthz").status().await, 200);
}

#[tokio::test]
async fn a_token_for_another_application_or_time_is_none_and_unknown_keys_are_asked_for_once() {
    let house = guarded().await;
    let outside = house.open_outside(HOST).await;
    let status = async |token: String| outside.ask("GET", "/healthz").with(HEADER, &token).status().await;

    assert_eq!(status(token("k1", "another", HOUR)).await, 403);
    assert_eq!(status(token("k1", AUDIENCE, Duration::ZERO)).await, 403);
    for number in 0..100 {
        assert_eq!(status(token(&format!("x{number}"), AUDIENCE, HOUR)).await, 403);
    }
    assert_eq!(status("x.y.z".to_owned()).await, 403);
    assert_eq!(status(token("k1", AUDIENCE, HOUR)).await, 200);

    assert_eq!(house.team.asked(), 1);
    assert!(house.recorded().is_empty());
}

#[tokio::test]
async fn half_of_it_shuts_the_port() {
    let house = House::open().await;
    house.open_outside(HOST).await;

    house.settings.set("access.team", TEAM).unwrap();

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
    assert!(reason.contains("access.audience"), "{reason}");
}
