//! What goes wrong with cloudflared is told with what to do, and passes as it should.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{gone, ready, switch_on, tunnel, wait_for_state};
use crate::harness::{Agent, Cloudflare, Home, PATIENCE, Processes, until};

#[test]
fn killed_it_comes_back_and_opencode_does_not_notice() {
    let home = Home::new();
    let cloudflare = Cloudflare::new(&home, "");
    let agent = cloudflare.used_by(Agent::options().home(home)).start();
    super::set_password(&agent);
    let server = agent.healthy();
    let former = switch_on(&agent);
    let pid = cloudflare.pid();

    Processes::signal(pid, "KILL");
    let status = agent.wait_for("the tunnel to be back under a new address", |status| {
        let shown = tunnel(status);
        shown["state"] == "connected" && shown["public_url"].as_str().is_some_and(|url| url != former)
    });

    assert_eq!(agent.healthy(), server);
    let url = tunnel(&status)["public_url"].as_str().unwrap();
    assert_eq!(cloudflare.visitor(url).get("/login").status, 200);
    assert_eq!(cloudflare.visitor(&former).get("/login").status, 530);

    let (pid, starts) = (cloudflare.pid(), cloudflare.starts().len());
    Processes::signal(server, "KILL");
    until("another opencode to be healthy", PATIENCE, || {
        (agent.healthy() != server).then_some(())
    });
    assert!(Processes::is_alive(pid));
    assert_eq!(cloudflare.starts().len(), starts);
    agent.quit();
}

#[test]
fn a_lost_connection_is_dialled_again_under_the_same_address() {
    let (agent, cloudflare) = ready("");
    let url = switch_on(&agent);

    cloudflare.say("/drop", &json!({"for_ms": 1500}));
    let shown = wait_for_state(&agent, "reconnecting");
    assert!(shown["reason"].as_str().unwrap().contains("by itself"), "{shown}");
    let shown = wait_for_state(&agent, "connected");

    assert_eq!(shown["public_url"], json!(url));
    assert_eq!(cloudflare.starts().len(), 1);
    assert_eq!(cloudflare.visitor(&url).get("/login").status, 200);
    agent.quit();
}

#[test]
fn one_that_is_missing_is_named_and_found_when_it_appears() {
    let home = Home::new();
    let cloudflare = Cloudflare::new(&home, "");
    let mut options = Agent::options().home(home);
    options.env("NEXUS_TEST_WAITS", "0.05");
    let options = options.idle().opencode("ask = \"commands_and_edits\"");
    let agent = options
        .settings("[tunnel]\npath = \"/nowhere/cloudflared\"\n[chat]\nprojects = [\"/tmp\"]")
        .start();
    super::set_password(&agent);

    let asked = agent.nexus(&["tunnel", "start"]);

    assert_eq!(asked.status.code(), Some(4), "{asked:?}");
    assert!(
        String::from_utf8_lossy(&asked.stderr).contains("/nowhere/cloudflared"),
        "{asked:?}"
    );
    assert!(cloudflare.starts().is_empty());
    agent.wait_within("nothing to have changed", Duration::from_secs(1), |status| {
        tunnel(status)["state"] == "needs_action"
    });
    agent.quit();
}

/// Starts one that behaves as it was told to; whoever comes after it is a good one.
fn start_once(agent: &Agent, cloudflare: &Cloudflare) {
    agent.ask(&["tunnel", "start", "--no-wait"]);
    until("it to be started", PATIENCE, || {
        (!cloudflare.starts().is_empty()).then_some(())
    });
    cloudflare.behave("");
}

#[test]
fn an_end_that_nobody_asked_for_is_a_failure_whatever_its_status() {
    for words in [
        "exit_after=2 exit=0",
        "exit_after=2 exit=2",
        "exit_after=2 exit=11",
        "crash_after=2",
    ] {
        let (agent, cloudflare) = ready(words);
        start_once(&agent, &cloudflare);

        let status = agent.wait_for(&format!("another one after {words}"), |status| {
            tunnel(status)["state"] == "connected" && cloudflare.starts().len() == 2
        });

        assert_eq!(tunnel(&status)["restarts"], 1, "{words}: {status:#}");
        agent.quit();
    }
}

#[test]
fn one_that_no_longer_answers_is_said_and_replaced() {
    let home = Home::new();
    let cloudflare = Cloudflare::new(&home, "mute_after=3");
    let mut options = cloudflare.used_by(Agent::options().home(home).idle());
    options.env("NEXUS_TEST_WAITS", "0.05");
    let agent = options.start();
    super::set_password(&agent);
    start_once(&agent, &cloudflare);

    agent.wait_for("it to be said", |status| {
        let shown = tunnel(status);
        shown["state"] == "reconnecting"
            && shown["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("does not answer"))
    });
    agent.wait_for("another one", |status| {
        tunnel(status)["state"] == "connected" && cloudflare.starts().len() == 2
    });
    agent.quit();
}

#[test]
fn a_port_that_is_taken_shuts_it_and_nobody_is_led_to_whoever_took_it() {
    let (agent, cloudflare) = ready("");
    let url = switch_on(&agent);
    let pid = cloudflare.pid();
    let taker = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    taker.set_nonblocking(true).unwrap();
    let port = taker.local_addr().unwrap().port();

    let since = Instant::now();
    agent.ask(&["settings", "set", "tunnel.port", &port.to_string()]);
    gone(pid);

    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let shown = wait_for_state(&agent, "blocked");
    let reason = shown["reason"].as_str().unwrap();
    assert!(reason.contains(&port.to_string()), "{shown}");
    assert_eq!(cloudflare.visitor(&url).get("/login").status, 530);
    let came = taker.accept().map(|(_, from)| from);
    assert_eq!(came.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(cloudflare.starts().len(), 1);
    let asked = agent.nexus(&["tunnel", "start"]);
    assert_eq!(asked.status.code(), Some(4), "{asked:?}");
    assert!(
        String::from_utf8_lossy(&asked.stderr).contains("choose another `tunnel.port`"),
        "{asked:?}"
    );

    drop(taker);
    let again = switch_on(&agent);
    assert_eq!(cloudflare.visitor(&again).get("/login").status, 200);
    agent.quit();
}
