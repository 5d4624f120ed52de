//! Whom the program calls by itself: nobody. Every connection it makes and every packet it sends is written down while
//! it does nothing for a while.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::{
    harness::{Agent, Home, until},
    supervision::{is_long, state, stub_in},
};

/// How long nothing is done.
fn idle() -> Duration {
    Duration::from_secs(if is_long() { 600 } else { 15 })
}

/// What a line of the record says somebody was called at, where that is an address of the internet's.
fn called(line: &str) -> Option<&str> {
    if !line.contains("sa_family=AF_INET") {
        return None;
    }
    let begins = ["inet_addr(\"", "inet_pton(AF_INET6, \""];
    let (_, rest) = begins.iter().find_map(|begins| line.split_once(begins))?;
    rest.split('"').next()
}

#[test]
fn an_idle_program_calls_nobody_but_itself() {
    let home = Home::new();
    let stub = stub_in(&home, "");
    // The home goes with the agent.
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("calls");
    let trace = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=connect,sendto,sendmsg,sendmmsg",
        "-o",
        record.to_str().unwrap(),
    ];
    let agent = Agent::options().home(home).program(&stub).under(&trace).start();
    agent.wait_for("opencode to be healthy", |status| state(status) == "healthy");
    let owner = agent.enter();
    assert_eq!(owner.get("/chat").status, 200);

    let since = Instant::now();
    until("a while to pass", idle() + Duration::from_secs(60), || {
        (since.elapsed() > idle()).then_some(())
    });
    agent.quit();

    let record = fs::read_to_string(record).unwrap();
    let all: Vec<&str> = record.lines().filter_map(called).collect();
    // It asks its server how it is.
    assert!(all.len() > 3, "{record}");
    let others: Vec<&&str> = all
        .iter()
        .filter(|address| !matches!(**address, "127.0.0.1" | "::1"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    println!(
        "{} calls in {:?}, all to this machine",
        all.len(),
        since.elapsed()
    );
}

#[test]
fn a_record_is_read_right() {
    let out =
        r#"7 connect(9, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.1")}, 16) = 0"#;
    let six = r#"7 connect(9, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28 <unfinished ...>"#;
    let packet = r#"7 sendto(9, "\0", 1, MSG_NOSIGNAL, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.2")}, 16) = 1"#;
    assert_eq!(
        [out, six, packet].map(called),
        [Some("192.0.2.1"), Some("2001:db8::1"), Some("192.0.2.2")]
    );
    let local = r#"7 connect(9, {sa_family=AF_UNIX, sun_path="/run/x"}, 10) = 0"#;
    assert_eq!(called(local), None);
}
