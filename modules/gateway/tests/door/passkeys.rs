//! A device enters from outside with a key of its own.

mod phone;

use std::time::Duration;

use gateway::SessionKind;

use crate::house::{Answer, House, Outdoors, PASSWORD, PATIENCE};
use phone::Phone;

const HOST: &str = "nexus.example.com";
const WRONG: &str = "not the password at all";

fn posted(outside: &Outdoors, path: &str, fields: &[(&str, &str)]) -> crate::house::Ask {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    outside
        .ask("POST", path)
        .with("Sec-Fetch-Site", "same-origin")
        .with("Content-Type", "application/x-www-form-urlencoded")
        .body(&body)
}

/// Adds the phone's key in the session of `cookie`.
async fn add(outside: &Outdoors, cookie: &str, phone: &Phone) -> Answer {
    let offer = posted(outside, "/passkeys/offer", &[]).with("Cookie", cookie);
    let offer = offer.send().await;
    assert_eq!(offer.status, 200, "{offer:?}");
    let made = phone.makes(&offer.body);
    let fields = [("credential", made.as_str()), ("name", "Ada's phone")];
    posted(outside, "/passkeys/add", &fields)
        .with("Cookie", cookie)
        .send()
        .await
}

async fn asked(outside: &Outdoors) -> String {
    let asked = posted(outside, "/login/passkey", &[]).send().await;
    assert_eq!(asked.status, 200, "{asked:?}");
    asked.body
}

async fn enter(outside: &Outdoors, proof: &str) -> Answer {
    let fields = [("credential", proof), ("next", "/chat")];
    posted(outside, "/login/passkey/enter", &fields).send().await
}

/// A house outside of which a phone has a key.
async fn with_phone() -> (House, Outdoors, Phone, String) {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let (cookie, phone) = (outside.log_in().await, Phone::at(HOST));
    let added = add(&outside, &cookie, &phone).await;
    assert_eq!(
        (added.status, added.header("location")),
        (303, Some("/passkeys")),
        "{added:?}"
    );
    (house, outside, phone, cookie)
}

#[tokio::test]
async fn a_device_with_a_key_is_in_and_is_told() {
    let (mut house, outside, phone, cookie) = with_phone().await;
    let page = outside.ask("GET", "/passkeys").page_of(&cookie).send().await;
    assert!(
        page.body.contains("Ada&#39;s phone") || page.body.contains("Ada's phone"),
        "{}",
        page.body
    );
    let login = outside.ask("GET", "/login").send().await;
    assert!(login.body.contains("data-passkey"), "{}", login.body);

    let entered = enter(&outside, &phone.proves(&asked(&outside).await)).await;

    assert_eq!(
        (entered.status, entered.header("location")),
        (303, Some("/chat")),
        "{entered:?}"
    );
    let session = entered.cookie();
    assert_eq!(outside.ask("GET", "/chat").page_of(&session).status().await, 200);
    let kinds: Vec<SessionKind> = house.door.sessions().iter().map(|session| session.kind).collect();
    assert_eq!(kinds, [SessionKind::Passkey, SessionKind::Login]);
    let mut titles = Vec::new();
    while let Ok(kit::Told::Notice(notice)) = house.notices.try_recv() {
        titles.push(notice.title);
    }
    assert_eq!(
        titles,
        [
            "Somebody logged in from outside",
            "A passkey was added",
            "Somebody logged in from outside"
        ]
    );
    // It is kept, and its counter with it.
    let house = house.restart().await;
    let outside = house.open_outside(HOST).await;
    let copied = phone.proves_as_a_copy(&asked(&outside).await);
    assert_eq!(enter(&outside, &copied).await.status, 401);
    let proof = phone.proves(&asked(&outside).await);
    assert_eq!(enter(&outside, &proof).await.status, 303);
}

#[tokio::test]
async fn what_proves_nothing_leads_nowhere() {
    let (house, outside, phone, _) = with_phone().await;
    let refused = async |proof: &str| {
        let answer = enter(&outside, proof).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.header("set-cookie"), None);
        assert!(
            answer.body.contains("That passkey is not known here"),
            "{}",
            answer.body
        );
    };

    // What was proved once.
    let used = phone.proves(&asked(&outside).await);
    assert_eq!(enter(&outside, &used).await.status, 303);
    refused(&used).await;
    // Another key under the same name.
    let stranger = Phone::at(HOST);
    stranger.makes(&offered(&outside).await);
    refused(&stranger.proves(&asked(&outside).await)).await;
    // Somebody who is there and whom the device does not know.
    let known = phone.flags.replace(0b001);
    refused(&phone.proves(&asked(&outside).await)).await;
    phone.flags.set(known);
    // A page of another site, which passes the question on.
    let own = phone
        .origin
        .replace("https://nexus.example.com.evil.example".to_owned());
    refused(&phone.proves(&asked(&outside).await)).await;
    phone.origin.replace(own);
    // An answer to what nobody asked; and no answer at all.
    let asked_then = asked(&outside)
        .await
        .replace("\"challenge\":\"", "\"challenge\":\"AA");
    refused(&phone.proves(&asked_then)).await;
    for nothing in ["", "{}", "null", &"[".repeat(1000)] {
        refused(nothing).await;
    }
    let mut broken: serde_json::Value = serde_json::from_str(&phone.proves(&asked(&outside).await)).unwrap();
    broken["response"]["signature"] = "MAYCAQECAQE".into();
    refused(&broken.to_string()).await;

    let sessions = house.door.sessions();
    let by_key = sessions
        .iter()
        .filter(|session| session.kind == SessionKind::Passkey);
    assert_eq!(by_key.count(), 1);
    let proof = phone.proves(&asked(&outside).await);
    assert_eq!(enter(&outside, &proof).await.status, 303);
}

/// What a browser is given to make a key.
async fn offered(outside: &Outdoors) -> String {
    let cookie = outside.log_in().await;
    let offer = posted(outside, "/passkeys/offer", &[]).with("Cookie", &cookie);
    offer.send().await.body
}

#[tokio::test]
async fn a_key_is_made_outside_by_whoever_has_just_logged_in() {
    let (house, outside, phone, cookie) = with_phone().await;
    let own = house.log_in().await;

    // At the machine itself there is no name for it.
    for path in [
        "/passkeys/offer",
        "/passkeys/add",
        "/login/passkey",
        "/login/passkey/enter",
    ] {
        let answer = house.form(path, "").with("Cookie", &own).send().await;
        assert_eq!(answer.status, 404, "{path}");
    }
    assert_eq!(house.ask("GET", "/passkeys").page_of(&own).status().await, 404);
    // Nor from another site, nor without a session.
    for site in ["cross-site", "same-site", "none"] {
        for path in [
            "/passkeys/offer",
            "/passkeys/add",
            "/login/passkey",
            "/login/passkey/enter",
        ] {
            let ask = posted(&outside, path, &[])
                .with("Cookie", &cookie)
                .with("Sec-Fetch-Site", site);
            assert_eq!(ask.status().await, 403, "{site} {path}");
        }
    }
    assert_eq!(posted(&outside, "/passkeys/offer", &[]).status().await, 401);
    // The same key twice is one.
    let again = add(&outside, &cookie, &phone).await;
    assert_eq!(again.status, 422, "{again:?}");
    assert!(again.body.contains("known already"), "{}", again.body);

    let other = Phone::at(HOST);
    let offer = posted(&outside, "/passkeys/offer", &[])
        .with("Cookie", &cookie)
        .send()
        .await;
    house.turn_clock(Duration::from_secs(11 * 60));
    for path in ["/passkeys/offer", "/passkeys/add", "/passkeys/remove"] {
        let made = other.makes(&offer.body);
        let ask = posted(
            &outside,
            path,
            &[("credential", &made), ("id", &house.door.passkeys()[0].id)],
        );
        assert_eq!(ask.with("Cookie", &cookie).status().await, 403, "{path}");
    }
    let page = outside.ask("GET", "/passkeys").page_of(&cookie).send().await;
    assert!(!page.body.contains("data-passkey") && page.body.contains("more than ten minutes ago"));
    assert_eq!(house.door.passkeys().len(), 1);
}

#[tokio::test]
async fn where_names_change_there_are_none() {
    let house = House::open().await;
    let outside = house
        .open_outside("grove-amber-heron-a12d.trycloudflare.com")
        .await;
    let cookie = outside.log_in().await;

    assert_eq!(posted(&outside, "/login/passkey", &[]).status().await, 404);
    let offer = posted(&outside, "/passkeys/offer", &[]).with("Cookie", &cookie);
    assert_eq!(offer.status().await, 404);
    assert_eq!(
        outside.ask("GET", "/passkeys").page_of(&cookie).status().await,
        404
    );
    let chat = outside.ask("GET", "/chat").page_of(&cookie).send().await;
    assert!(!chat.body.contains("/passkeys"));
}

#[tokio::test]
async fn a_key_counts_for_the_name_it_was_made_for() {
    let (house, _, phone, _) = with_phone().await;
    house.outside.send_replace(kit::Outside::default());

    let elsewhere = house.open_outside("other.example.com").await;

    assert_eq!(posted(&elsewhere, "/login/passkey", &[]).status().await, 404);
    assert!(
        !elsewhere
            .ask("GET", "/login")
            .send()
            .await
            .body
            .contains("data-passkey")
    );
    house.outside.send_replace(kit::Outside::default());
    let back = house.open_outside(HOST).await;
    let proof = phone.proves(&asked(&back).await);
    assert_eq!(enter(&back, &proof).await.status, 303);
}

#[tokio::test]
async fn a_key_enters_while_passwords_are_not_taken() {
    let (house, outside, phone, _) = with_phone().await;
    for number in 0..100_u32 {
        house.turn_clock(Duration::from_secs(130));
        outside.log_in_from(&format!("192.0.2.{number}"), WRONG).await;
    }
    let off = outside.log_in_from("192.0.2.200", PASSWORD).await;
    assert_eq!(off.status, 429);
    assert!(off.body.contains("Passkeys enter still"), "{}", off.body);

    let proof = phone.proves(&asked(&outside).await);

    assert_eq!(enter(&outside, &proof).await.status, 303);
}

#[tokio::test]
async fn a_removed_key_and_one_of_before_a_new_password_lead_nowhere() {
    let (house, outside, phone, cookie) = with_phone().await;
    let own = house.log_in().await;
    let devices = house.ask("GET", "/devices").page_of(&own).send().await;
    assert!(devices.body.contains("for nexus.example.com"), "{}", devices.body);
    let proof = phone.proves(&asked(&outside).await);

    let id = house.door.passkeys()[0].id.clone();
    let removed = house
        .form("/passkeys/remove", &format!("id={id}"))
        .with("Cookie", &own);
    assert_eq!(removed.send().await.header("location"), Some("/devices"));

    assert_eq!(enter(&outside, &proof).await.status, 401);
    assert_eq!(posted(&outside, "/login/passkey", &[]).status().await, 404);
    assert_eq!(add(&outside, &cookie, &phone).await.status, 303);
    let proof = phone.proves(&asked(&outside).await);
    house
        .door
        .set_password(kit::Secret::new("a heron reads the tides".to_owned()))
        .await
        .unwrap();
    assert_eq!(enter(&outside, &proof).await.status, 401);
    assert!(house.door.passkeys().is_empty());
    let house = house.restart().await;
    assert!(house.door.passkeys().is_empty());
}

#[tokio::test]
async fn whoever_hangs_up_leaves_no_key_that_nobody_knows_of() {
    let mut house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let (cookie, phone) = (outside.log_in().await, Phone::at(HOST));
    let offer = posted(&outside, "/passkeys/offer", &[]).with("Cookie", &cookie);
    let made = phone.makes(&offer.send().await.body);
    let fields = [("credential", made.as_str()), ("name", "Mallory")];
    let add = posted(&outside, "/passkeys/add", &fields).with("Cookie", &cookie);

    // The answer is waited for by nobody.
    let mut line = tokio::net::TcpStream::connect(("127.0.0.1", outside.port))
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut line, &add.bytes())
        .await
        .unwrap();
    drop(line);

    let told = async {
        loop {
            if let Some(kit::Told::Notice(notice)) = house.notices.recv().await
                && notice.title == "A passkey was added"
            {
                return notice;
            }
        }
    };
    let notice = tokio::time::timeout(PATIENCE, told).await.unwrap();
    assert!(
        notice.body.contains("Mallory") && notice.body.contains("198.51.100.7"),
        "{}",
        notice.body
    );
    assert_eq!(house.door.passkeys().len(), 1);
    house
        .door
        .set_password(kit::Secret::new("a heron reads the tides".to_owned()))
        .await
        .unwrap();
    let house = house.restart().await;
    assert!(house.door.passkeys().is_empty());
}

#[tokio::test]
async fn a_removed_key_ends_what_it_began_and_nothing_else() {
    let (house, outside, phone, cookie) = with_phone().await;
    let entered = enter(&outside, &phone.proves(&asked(&outside).await)).await;
    let by_key = entered.cookie();
    let is_in = async |cookie: &str| outside.ask("GET", "/chat").page_of(cookie).status().await == 200;
    assert!(is_in(&by_key).await && is_in(&cookie).await);

    let id = house.door.passkeys()[0].id.clone();
    assert!(house.door.revoke(&id).await.unwrap());

    assert!(!is_in(&by_key).await);
    assert!(is_in(&cookie).await);
    assert!(!house.door.revoke(&id).await.unwrap());
}

#[tokio::test]
async fn a_device_that_came_in_with_a_code_makes_no_key() {
    let (_house, outside, phone, cookie) = {
        let house = House::open().await;
        let outside = house.open_outside(HOST).await;
        let link = house.door.pairing().unwrap().link;
        let code = link.expose().rsplit("code=").next().unwrap().to_owned();
        let paired = posted(&outside, "/pair", &[("code", &code), ("name", "Tablet")])
            .send()
            .await;
        (house, outside, Phone::at(HOST), paired.cookie())
    };

    for path in ["/passkeys/offer", "/passkeys/add"] {
        let answer = posted(&outside, path, &[]).with("Cookie", &cookie).send().await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.body.contains("came in with a code"), "{}", answer.body);
    }
    let page = outside.ask("GET", "/passkeys").page_of(&cookie).send().await;
    assert!(!page.body.contains("data-passkey") && page.body.contains("came in with a code"));
    // What was put to one session is not answered in another.
    let first = outside.log_in().await;
    let offer = posted(&outside, "/passkeys/offer", &[])
        .with("Cookie", &first)
        .send()
        .await;
    let second = outside.log_in_from("198.51.100.9", PASSWORD).await.cookie();
    let made = phone.makes(&offer.body);
    let add = posted(&outside, "/passkeys/add", &[("credential", &made)]);
    assert_eq!(add.with("Cookie", &second).send().await.status, 422);
}
