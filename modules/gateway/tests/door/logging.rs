use std::{cell::RefCell, io, sync::Once};

use tracing_subscriber::{Layer, filter::dynamic_filter_fn, layer::SubscriberExt, util::SubscriberInitExt};

use crate::house::{CREDENTIAL, House, PASSWORD};

thread_local! {
    /// What the story on this thread has logged, while it listens. The runtime of a story has this one thread.
    static HEARD: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Writes to the story that listens on this thread.
struct Ear;

impl io::Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        HEARD.with_borrow_mut(|heard| heard.iter_mut().for_each(|heard| heard.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Listens to everything at every level, of every crate, from now on.
fn listen() {
    static INSTALLED: Once = Once::new();
    // One subscriber for all threads: with one per thread, what a thread without one sees first is silent for all.
    INSTALLED.call_once(|| {
        let listens = dynamic_filter_fn(|_, _| HEARD.with_borrow(Option::is_some));
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(|| Ear);
        tracing_subscriber::registry()
            .with(lines.with_filter(listens))
            .init();
    });
    HEARD.set(Some(Vec::new()));
}

fn heard() -> String {
    String::from_utf8(HEARD.take().unwrap()).unwrap()
}

#[tokio::test]
async fn every_login_leaves_one_line() {
    let house = House::open().await;
    listen();

    house.log_in_with("not the password at all").await;
    house.log_in_with(PASSWORD).await;

    let log = heard();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("event=\"login\""))
        .collect();
    assert_eq!(lines.len(), 2, "{log}");
    for (line, result) in lines.iter().zip(["wrong", "right"]) {
        for part in [
            "audit",
            "listener=\"local\"",
            "source=127.0.0.1",
            &format!("result=\"{result}\""),
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
}

#[tokio::test]
async fn every_login_from_outside_leaves_one_line_and_the_one_that_enters_is_told_once() {
    const HOST: &str = "grove-amber-heron-a12d.trycloudflare.com";
    let mut house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let wrong = "a wrong canary password";
    listen();

    for _ in 0..5 {
        outside.log_in_from("203.0.113.5", wrong).await;
    }
    outside.log_in_from("203.0.113.5", PASSWORD).await;
    outside.log_in_from("2001:db8:0:1::7", PASSWORD).await;

    let log = heard();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("event=\"login\""))
        .collect();
    let expected = [("203.0.113.5", "wrong"); 5]
        .into_iter()
        .chain([("203.0.113.5", "locked"), ("2001:db8:0:1::7", "right")]);
    assert_eq!(lines.len(), 7, "{log}");
    for (line, (source, result)) in lines.iter().zip(expected) {
        let parts = [
            "audit",
            "listener=\"tunnel\"",
            source,
            &format!("result=\"{result}\""),
        ];
        for part in parts {
            assert!(line.contains(part), "{part} in {line}");
        }
        // When it was comes first.
        assert!(line.starts_with("20"), "{line}");
    }
    let mut told = Vec::new();
    while let Ok(kit::Told::Notice(notice)) = house.notices.try_recv() {
        told.push(format!("{notice:?}"));
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("2001:db8:0:1::7"), "{told:?}");
    for secret in [PASSWORD, "a+walrus", wrong, "a+wrong"] {
        assert!(!log.contains(secret) && !told[0].contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn nothing_secret_is_logged_at_any_level() {
    listen();
    let house = House::open().await;
    let wrong = "a wrong canary password";
    house.log_in_with(wrong).await;
    let cookie = house.log_in().await;
    let ticket = house.door.ticket(gateway::Purpose::Link, "/chat");
    house
        .form("/enter", &format!("ticket={}", ticket.secret.expose()))
        .send()
        .await;
    let script = house.door.script_token("backup").await.unwrap();
    house
        .ask("GET", "/api/status")
        .with("Authorization", &format!("Bearer {}", script.expose()))
        .send()
        .await;
    house
        .ask("GET", "/api/opencode/session?auth_token=canary-query")
        .page_of(&cookie)
        .send()
        .await;
    let prompt = "{\"parts\":[{\"type\":\"text\",\"text\":\"canary-prompt\"}]}";
    house
        .ask("POST", "/api/opencode/session/ses_1/prompt_async")
        .page_of(&cookie)
        .json(prompt)
        .send()
        .await;
    house
        .ask("GET", "/login")
        .with("X-Evil", "canary-header")
        .send()
        .await;
    house.ask("POST", "/logout").page_of(&cookie).send().await;

    let log = heard();

    assert!(log.contains("event=\"logout\""), "{log}");
    for secret in [
        PASSWORD,
        "a+walrus",
        wrong,
        cookie.split_once('=').unwrap().1,
        ticket.secret.expose(),
        script.expose(),
        CREDENTIAL,
        "canary-query",
        "canary-prompt",
        "canary-header",
        "$argon2id$",
    ] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
}
