//! It is shut when in doubt.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{gone, ready, set_password, switch_on, wait_for_state};
use crate::harness::{Agent, Cloudflare, Home, PATIENCE, Processes, until};

#[test]
fn a_password_that_goes_ends_it_at_once() {
    let (agent, cloudflare) = ready("");
    let url = switch_on(&agent);
    let pid = cloudflare.pid();

    let since = Instant::now();
    std::fs::remove_file(agent.home().nexus().join("credential")).unwrap();
    gone(pid);

    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let shown = wait_for_state(&agent, "blocked");
    assert!(
        shown["reason"].as_str().unwrap().contains("No password"),
        "{shown}"
    );
    assert_eq!(cloudflare.visitor(&url).get("/login").status, 530);
    // It does not come back by itself.
    set_password(&agent);
    wait_for_state(&agent, "off");
    assert_eq!(cloudflare.starts().len(), 1);
    agent.quit();
}

#[test]
fn a_decision_that_is_taken_back_ends_it_at_once() {
    let (agent, cloudflare) = ready("");
    for (key, value) in [
        ("opencode.ask", "commands_and_edits"),
        ("chat.projects", r#"["/"]"#),
    ] {
        switch_on(&agent);
        let pid = cloudflare.pid();

        let since = Instant::now();
        agent.ask(&["settings", "reset", key]);
        gone(pid);

        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
        let shown = wait_for_state(&agent, "blocked");
        assert!(shown["reason"].as_str().unwrap().contains(key), "{shown}");
        agent.ask(&["settings", "set", key, value]);
        // What was in the way has gone; it does not come back by itself.
        wait_for_state(&agent, "off");
    }
    assert_eq!(cloudflare.starts().len(), 2);
    agent.quit();
}

#[test]
fn a_list_without_a_folder_names_none() {
    let (agent, cloudflare) = ready("");
    switch_on(&agent);
    let (pid, since) = (cloudflare.pid(), Instant::now());

    agent.ask(&["settings", "set", "chat.projects", "[]"]);

    gone(pid);
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let refused = agent.nexus(&["tunnel", "start"]);
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("chat.projects"), "{said}");
    assert_eq!(cloudflare.starts().len(), 1);
    agent.quit();
}

#[test]
fn a_tunnel_that_is_made_to_lead_elsewhere_is_ended_and_the_target_named() {
    let (agent, cloudflare) = ready("");
    let port = 4096;
    let ours = |port: u64| json!([{"hostname": "nexus.example.com", "service": format!("http://127.0.0.1:{port}")}, {"service": "http_status:404"}]);
    agent.ask(&["settings", "set", "secrets.file", "true"]);
    agent.ask(&["settings", "set", "tunnel.port", "0"]);
    let origin = free_port();
    agent.ask(&["settings", "set", "tunnel.port", &origin.to_string()]);
    let made = cloudflare.say(
        "/tunnels",
        &json!({"hosts": ["nexus.example.com"], "ingress": ours(u64::from(origin))}),
    );
    store_token(&agent, made["token"].as_str().unwrap());
    agent.ask(&["settings", "set", "tunnel.mode", "token"]);
    let url = switch_on(&agent);
    assert_eq!(url, "https://nexus.example.com");
    assert_eq!(cloudflare.visitor(&url).get("/login").status, 200);

    let since = Instant::now();
    cloudflare.say("/ingress", &json!({"tunnel": made["id"], "ingress": ours(port)}));
    gone(cloudflare.pid());

    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let shown = wait_for_state(&agent, "blocked");
    assert!(
        shown["reason"]
            .as_str()
            .unwrap()
            .contains("http://127.0.0.1:4096"),
        "{shown}"
    );
    assert_eq!(cloudflare.starts().len(), 1);
    // The token never stood in an argument or a line.
    let token = made["token"].as_str().unwrap();
    assert!(!cloudflare.starts()[0]["args"].to_string().contains(token));
    assert!(!agent.log().contains(token));
    agent.quit();
}

#[test]
fn one_call_ends_it_while_opencode_hangs() {
    let home = Home::new();
    let cloudflare = Cloudflare::new(&home, "");
    let agent = cloudflare.used_by(Agent::options().home(home)).start();
    set_password(&agent);
    let server = agent.healthy();
    switch_on(&agent);
    let pid = cloudflare.pid();
    Processes::signal(server, "STOP");

    let since = Instant::now();
    agent.ask(&["tunnel", "stop"]);
    gone(pid);

    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    Processes::signal(server, "CONT");
    agent.quit();
}

#[test]
fn the_agent_killed_takes_the_way_in_with_it() {
    let (agent, cloudflare) = ready("");
    switch_on(&agent);
    let pid = cloudflare.pid();

    let since = Instant::now();
    Processes::signal(agent.pid(), "KILL");
    gone(pid);

    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    wait_for_state(&agent, "off");
    assert_eq!(cloudflare.starts().len(), 1);
    // Whoever is away hears of it at the latest when they look.
    until("the owner to be told", PATIENCE, || {
        agent
            .ask(&["notices", "list"])
            .contains("ended unexpectedly while this machine could be reached")
            .then_some(())
    });
    agent.quit();
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[track_caller]
pub fn store_token(agent: &Agent, token: &str) {
    store_secret(agent, "tunnel-token", token);
}

#[track_caller]
pub fn store_secret(agent: &Agent, name: &str, token: &str) {
    use std::io::Write;
    let mut child = agent
        .command(&["secret", "set", name, "--stdin"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{token}").unwrap();
    assert!(child.wait().unwrap().success());
    until("the token to be stored", PATIENCE, || {
        agent.ask(&["secret", "list"]).contains(name).then_some(())
    });
}
