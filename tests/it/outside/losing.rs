//! It ends at once with the first thing that no longer holds, and by itself in time.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{gone, ready, set_password, switch_on, tunnel, wait_for_state};
use crate::{
    harness::{Agent, Cloudflare, Home, PATIENCE, Processes, until},
    supervision::faketime,
};

#[test]
fn a_password_that_can_no_longer_be_read_ends_it_at_once() {
    let (agent, cloudflare) = ready("");
    let url = switch_on(&agent);
    let pid = cloudflare.pid();

    let since = Instant::now();
    fs::write(agent.home().nexus().join("credential"), "nonsense").unwrap();
    gone(pid);

    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let shown = wait_for_state(&agent, "blocked");
    assert!(
        shown["reason"].as_str().unwrap().contains("cannot be read"),
        "{shown}"
    );
    assert_eq!(cloudflare.visitor(&url).get("/login").status, 530);
    agent.quit();
}

#[test]
fn pages_that_are_lost_at_the_machine_end_it_at_once() {
    let (agent, cloudflare) = ready("");
    switch_on(&agent);
    let pid = cloudflare.pid();
    let guarded = cloudflare.starts()[0]["args"].to_string();
    let stranger = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = stranger.local_addr().unwrap().port().to_string();

    let since = Instant::now();
    agent.ask(&["settings", "set", "gateway.port", &taken]);
    gone(pid);

    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let shown = wait_for_state(&agent, "blocked");
    let reason = shown["reason"].as_str().unwrap();
    assert!(
        reason.contains("at the machine itself") && reason.contains(&taken),
        "{shown}"
    );
    assert!(
        !guarded.contains(&taken),
        "the guarded port is another: {guarded}"
    );

    // With pages again the reason is gone; it does not come back by itself.
    agent.ask(&["settings", "set", "gateway.port", "0"]);
    wait_for_state(&agent, "off");
    assert_eq!(cloudflare.starts().len(), 1);
    switch_on(&agent);
    agent.quit();
}

#[test]
fn a_part_that_falls_over_takes_the_way_in_with_it() {
    for (part, title) in [("gateway", "Gateway"), ("tunnel", "Remote access")] {
        let home = Home::new();
        let cloudflare = Cloudflare::new(&home, "");
        let felled = home.path().join("felled");
        let mut options = cloudflare.used_by(Agent::options().home(home).idle());
        options.env("NEXUS_TEST_FALL", felled.to_str().unwrap());
        let agent = options.start();
        set_password(&agent);
        let url = switch_on(&agent);
        let pid = cloudflare.pid();
        assert_eq!(cloudflare.visitor(&url).get("/login").status, 200);

        let since = Instant::now();
        fs::write(&felled, part).unwrap();
        gone(pid);

        assert!(
            since.elapsed() < Duration::from_secs(2),
            "{part}: {:?}",
            since.elapsed()
        );
        assert_eq!(cloudflare.visitor(&url).get("/login").status, 530);
        until("it to be told", PATIENCE, || {
            let told = agent.ask(&["notices", "list"]);
            told.contains(&format!("{title} failed")).then_some(())
        });
        // What its owner wished for goes on once the part is back.
        let status = agent.wait_for("remote access to be back", |status| {
            let shown = tunnel(status);
            shown["state"] == "connected" && shown["public_url"] != url
        });
        let url = tunnel(&status)["public_url"].as_str().unwrap();
        assert_eq!(cloudflare.visitor(url).get("/login").status, 200);
        assert_eq!(cloudflare.starts().len(), 2, "{part}");
        agent.quit();
    }
}

/// Waits are shorter by this, the hours until it goes off among them.
const HURRY: &str = "0.05";
const HOUR: Duration = Duration::from_secs(180);
/// How often it looks at the clock.
const LOOK_EVERY: Duration = Duration::from_millis(750);

/// Has the machine sleep so long.
fn turn(clock: &Path, by: Duration) {
    fs::write(clock, format!("+{}\n", by.as_secs())).unwrap();
}

/// An agent whose clock on the wall the story turns by writing to the file.
fn with_a_clock(home: Home, cloudflare: &Cloudflare) -> (Agent, PathBuf) {
    let offset = home.path().join("offset");
    fs::write(&offset, "+0\n").unwrap();
    let mut options = cloudflare.used_by(Agent::options().home(home).idle());
    options.env("LD_PRELOAD", faketime().to_str().unwrap());
    options.env("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap());
    options.env("FAKETIME_NO_CACHE", "1");
    // As in a sleep: the clock that counts for timers stands still.
    options.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    options.env("NEXUS_TEST_WAITS", HURRY);
    (options.start(), offset)
}

#[test]
fn hours_that_were_slept_through_count_and_what_is_over_stays_over() {
    let home = Home::new();
    let cloudflare = Cloudflare::new(&home, "");
    let (agent, clock) = with_a_clock(home, &cloudflare);
    set_password(&agent);
    switch_on(&agent);
    let pid = cloudflare.pid();
    let shown = tunnel(&agent.status()).clone();
    let facts = shown["facts"].as_array().unwrap();
    assert!(facts.iter().any(|fact| fact[0] == "Off by itself"), "{shown}");

    turn(&clock, 7 * HOUR);
    let turned = Instant::now();
    until("it to be looked at twice", PATIENCE, || {
        (turned.elapsed() > 2 * LOOK_EVERY).then_some(())
    });
    assert!(Processes::is_alive(pid), "seven hours are not eight");
    turn(&clock, 8 * HOUR + Duration::from_secs(1));

    gone(pid);
    wait_for_state(&agent, "off");
    until("its owner to be told", PATIENCE, || {
        let told = agent.ask(&["notices", "list"]);
        told.contains("went off by itself, as set").then_some(())
    });
    // Neither a crash nor a start brings back what was over.
    let old = agent.pid();
    Processes::signal(old, "KILL");
    agent.wait_for("the agent to be back", |status| status["agent"]["pid"] != old);
    wait_for_state(&agent, "off");
    let agent = Agent::options().home(agent.quit()).start();
    wait_for_state(&agent, "off");
    assert_eq!(cloudflare.starts().len(), 1);
    let told = agent.ask(&["notices", "list"]);
    assert!(
        !told.contains("ended unexpectedly while this machine could be reached"),
        "{told}"
    );
    agent.quit();
}
