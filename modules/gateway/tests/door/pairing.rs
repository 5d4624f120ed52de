//! A device that scans a code is in, once and from outside only.

use std::time::Duration;

use gateway::{Purpose, SessionKind};

use crate::house::{Answer, House, Outdoors, PASSWORD};

const HOST: &str = "grove-amber-heron-a12d.trycloudflare.com";

/// A code as a camera reads it.
fn code(house: &House) -> String {
    let link = house.door.pairing().unwrap().link;
    let code = link.expose().strip_prefix(&format!("https://{HOST}/pair?code="));
    code.unwrap_or_else(|| panic!("{}", link.expose())).to_owned()
}

async fn pair(outside: &Outdoors, code: &str, name: &str) -> Answer {
    outside
        .ask("POST", "/pair")
        .with("Sec-Fetch-Site", "same-origin")
        .with("Content-Type", "application/x-www-form-urlencoded")
        .body(&format!("code={code}&name={name}"))
        .send()
        .await
}

#[tokio::test]
async fn a_code_lets_one_device_in_and_is_told() {
    let mut house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let code = code(&house);

    // Programs that preview links burn nothing.
    for _ in 0..2 {
        let page = outside.ask("GET", &format!("/pair?code={code}")).send().await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains(&code) && page.body.contains("name=\"name\""));
    }
    let paired = pair(&outside, &code, "Ada%27s+phone").await;

    assert_eq!((paired.status, paired.header("location")), (303, Some("/chat")));
    let cookie = paired.cookie();
    assert!(cookie.starts_with("__Host-nexus-"), "{cookie}");
    assert_eq!(outside.ask("GET", "/chat").page_of(&cookie).status().await, 200);
    assert_eq!(
        outside.ask("GET", "/devices").page_of(&cookie).status().await,
        403
    );
    let sessions = house.door.sessions();
    assert_eq!(sessions.len(), 1);
    assert_eq!(
        (sessions[0].kind, sessions[0].device.as_str()),
        (SessionKind::Paired, "Ada's phone")
    );
    let kit::Told::Notice(notice) = house.notices.recv().await.unwrap() else {
        panic!("a notice is told");
    };
    assert_eq!(notice.title, "A device was paired");
    assert!(
        notice.body.contains("Ada's phone at 198.51.100.7"),
        "{}",
        notice.body
    );

    let again = pair(&outside, &code, "Mallory").await;
    assert_eq!(again.status, 401);
    assert_eq!(again.header("set-cookie"), None);
    assert_eq!(house.door.sessions().len(), 1);

    house.door.revoke(&sessions[0].id).await.unwrap();
    assert_eq!(outside.ask("GET", "/chat").page_of(&cookie).status().await, 401);
}

#[tokio::test]
async fn a_code_is_worth_nothing_at_the_other_doors() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let code = code(&house);

    assert_eq!(
        house.ask("GET", &format!("/pair?code={code}")).status().await,
        404
    );
    let inside = house.form("/pair", &format!("code={code}")).send().await;
    assert_eq!(inside.status, 404);
    let entered = house.form("/enter", &format!("ticket={code}")).send().await;
    assert_eq!(entered.status, 401);
    let other_site = outside
        .ask("POST", "/pair")
        .with("Sec-Fetch-Site", "cross-site")
        .with("Content-Type", "application/x-www-form-urlencoded")
        .body(&format!("code={code}"))
        .send()
        .await;
    assert_eq!(other_site.status, 403);
    // A link for this machine is none for a phone.
    let ticket = house.door.ticket(Purpose::Link, "/chat");
    assert_eq!(pair(&outside, ticket.secret.expose(), "x").await.status, 401);

    // All that has not burned it.
    assert_eq!(pair(&outside, &code, "x").await.status, 303);
}

#[tokio::test]
async fn a_new_password_and_the_end_of_all_sessions_make_codes_worthless() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let (before_one, before_other) = (code(&house), code(&house));

    house.door.revoke_all().await.unwrap();

    assert_eq!(pair(&outside, &before_one, "x").await.status, 401);
    assert_eq!(pair(&outside, &before_other, "x").await.status, 401);
    let later = code(&house);
    house
        .door
        .set_password(kit::Secret::new("velvet ocean kettle".to_owned()))
        .await
        .unwrap();
    assert_eq!(pair(&outside, &later, "x").await.status, 401);
}

#[tokio::test]
async fn a_code_is_shown_to_whoever_logged_in_lately_and_only_while_it_leads_somewhere() {
    let house = House::open().await;
    let cookie = house.log_in_with(PASSWORD).await.cookie();
    let page = async || house.ask("GET", "/devices").page_of(&cookie).send().await.body;
    let show = async || {
        let asked = house.ask("POST", "/devices/pair").page_of(&cookie);
        asked
            .with("Content-Type", "application/x-www-form-urlencoded")
            .send()
            .await
    };
    assert!(page().await.contains("nexus tunnel start"));
    assert!(house.door.pairing().is_err());
    assert_eq!(show().await.header("location"), Some("/devices"));

    let outside = house.open_outside(HOST).await;
    assert!(page().await.contains("Show a code"));
    let shown = show().await;
    assert_eq!(shown.status, 200);
    assert!(shown.body.contains("<svg"), "a picture of the code");
    let link = format!("https://{HOST}/pair?code=");
    let at = shown.body.find(&link).expect("the address beside it") + link.len();
    assert_eq!(pair(&outside, &shown.body[at..at + 64], "x").await.status, 303);

    house.turn_clock(Duration::from_secs(11 * 60));
    let refused = show().await;
    assert_eq!(refused.status, 403);
    assert!(!refused.body.contains("<svg"));

    house.outside.send_replace(kit::Outside::default());
    let mut origin = house.tunnel_origin.clone();
    origin
        .wait_for(|origin| *origin == kit::Origin::Closed)
        .await
        .unwrap();
    assert!(house.door.pairing().is_err());
}

#[tokio::test]
async fn a_link_that_is_sent_to_a_device_leads_in_once_in_place_of_its_session() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let cookie = pair(&outside, &code(&house), "Ada%27s+phone").await.cookie();
    let former = house.door.sessions()[0].id.clone();
    let sent = |session: &str| {
        let pairing = house.door.pairing_again(session).unwrap();
        assert_eq!(
            (pairing.site, pairing.life),
            (format!("https://{HOST}"), Duration::from_secs(600))
        );
        pairing.link.expose().split_once("code=").unwrap().1.to_owned()
    };
    let link = sent(&former);

    // It is another address, so no cookie comes along.
    let paired = pair(&outside, &link, "Ada%27s+phone").await;

    assert_eq!(paired.status, 303);
    let sessions = house.door.sessions();
    assert_eq!(sessions.len(), 1);
    assert_ne!(sessions[0].id, former);
    assert_eq!(outside.ask("GET", "/chat").page_of(&cookie).status().await, 401);
    assert_eq!(pair(&outside, &link, "Mallory").await.status, 401);

    // What its push service still holds of a device that is revoked is worth nothing.
    let late = sent(&sessions[0].id);
    house.door.revoke(&sessions[0].id).await.unwrap();
    assert_eq!(pair(&outside, &late, "Mallory").await.status, 401);
    assert!(house.door.sessions().is_empty());
}
