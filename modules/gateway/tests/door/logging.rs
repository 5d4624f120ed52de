use std::{
    io,
    sync::{Arc, Mutex},
};

use crate::house::{CREDENTIAL, House, PASSWORD};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Everything at every level, of every crate, for as long as the guard lives. The runtime of a test has one thread.
fn capture() -> (Captured, tracing::subscriber::DefaultGuard) {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    (captured, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn every_login_leaves_one_line() {
    let house = House::open().await;
    let (captured, _guard) = capture();

    house.log_in_with("not the password at all").await;
    house.log_in_with(PASSWORD).await;

    let log = captured.text();
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
async fn nothing_secret_is_logged_at_any_level() {
    let (captured, _guard) = capture();
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

    let log = captured.text();

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
