use std::time::Duration;

use kit::State;
use tokio::net::TcpListener;

use crate::house::{House, PATIENCE, raw};

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

async fn healthz(port: u16, named: u16) -> String {
    raw(
        port,
        format!("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{named}\r\nConnection: close\r\n\r\n").as_bytes(),
    )
    .await
}

#[tokio::test]
async fn the_port_stays_the_same_across_restarts() {
    let house = House::open().await;
    let port = house.port;

    let house = house.restart().await;

    assert_eq!(house.port, port);
    let status = house.status.borrow().clone();
    assert_eq!(status.details["local_url"], house.origin());
    assert_eq!(status.state, State::Running);
}

#[tokio::test]
async fn another_port_is_taken_as_soon_as_it_is_set() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let port = free_port().await;
    let mut url = house.door.local_url();

    house.settings.set("gateway.port", &port.to_string()).unwrap();
    let expected = format!("http://127.0.0.1:{port}");
    tokio::time::timeout(PATIENCE, url.wait_for(|url| url.as_deref() == Some(&expected)))
        .await
        .unwrap()
        .unwrap();

    assert!(healthz(port, port).await.ends_with("ok"));
    assert!(healthz(port, house.port).await.starts_with("HTTP/1.1 421 "));
    let chat = format!(
        "GET /chat HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    );
    assert!(raw(port, chat.as_bytes()).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_chosen_port_that_is_taken_is_left_alone_and_named() {
    let house = House::open().await;
    let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = holder.local_addr().unwrap().port();
    let mut status = house.status.clone();

    house.settings.set("gateway.port", &port.to_string()).unwrap();
    let told = tokio::time::timeout(
        PATIENCE,
        status.wait_for(|status| status.state == State::NeedsAction),
    )
    .await;
    let reason = told.unwrap().unwrap().reason.clone().unwrap();
    assert!(
        reason.contains(&port.to_string()) && reason.contains("gateway.port"),
        "{reason}"
    );
    drop(holder);
    let told = tokio::time::timeout(PATIENCE, status.wait_for(|status| status.state == State::Running)).await;

    told.unwrap().unwrap();
    assert!(healthz(port, port).await.ends_with("ok"));
}

#[tokio::test]
async fn the_near_end_of_a_forwarded_port_can_be_admitted() {
    let house = House::open().await;

    assert!(healthz(house.port, 8080).await.starts_with("HTTP/1.1 421 "));
    house
        .settings
        .set("gateway.extra_local_ports", "[\"8080\"]")
        .unwrap();
    let admitted = async {
        while !healthz(house.port, 8080).await.ends_with("ok") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, admitted).await.unwrap();

    let wrong = house.settings.set("gateway.extra_local_ports", "[\"x\"]");
    assert!(wrong.unwrap_err().to_string().contains("list of ports"));
    assert!(healthz(house.port, 8081).await.starts_with("HTTP/1.1 421 "));
}

#[tokio::test]
async fn a_page_that_breaks_breaks_alone() {
    let house = House::open().await;
    let cookie = house.log_in().await;

    let answer = house.ask("GET", "/chat/broken").page_of(&cookie).send().await;

    assert_eq!(answer.status, 500);
    assert!(!answer.body.contains("a page broke"));
    assert_eq!(house.ask("GET", "/chat").page_of(&cookie).status().await, 200);
}

#[tokio::test]
async fn connections_of_other_users_are_closed_unheard() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    assert!(healthz(house.port, house.port).await.starts_with("HTTP/1.1 200"));

    house.is_shut.store(true, std::sync::atomic::Ordering::Relaxed);
    let unheard = raw(
        house.port,
        format!(
            "POST /api/modules/chat/greet HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n",
            house.port
        )
        .as_bytes(),
    )
    .await;

    assert_eq!(unheard, "");
}

#[tokio::test]
async fn a_port_lost_to_somebody_else_ends_the_sessions_that_are_sent_there() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let port = house.port;

    let (house, _squatter) = house.restart_elsewhere().await;

    assert_ne!(house.port, port);
    assert_eq!(house.ask("GET", "/chat").page_of(&cookie).status().await, 401);
}
