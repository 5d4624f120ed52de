//! Remote access and opencode: what happens to one must not happen to the other, unless it happens to both.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{PASSWORD, gone, ready, set_password, switch_on, tunnel, wait_for_state};
use crate::{
    harness::{Agent, Cloudflare, Home, PATIENCE, Pid, Processes, Session, Socket, until},
    supervision::stub_in,
};

const PAGE: &str = "/live?view=chat";

/// Somebody from outside who is in.
#[track_caller]
fn entered(cloudflare: &Cloudflare, url: &str) -> Session {
    let mut visitor = cloudflare.visitor(url);
    let entered = visitor.post_form("/login", &[("password", PASSWORD), ("next", "/chat")]);
    visitor.keep(&entered);
    visitor
}

/// The port behind `flag` of cloudflared's last start.
#[track_caller]
fn port_after(cloudflare: &Cloudflare, flag: &str) -> u16 {
    let starts = cloudflare.starts();
    let args = starts.last().unwrap()["args"].as_array().unwrap();
    let at = args.iter().position(|arg| arg == flag).unwrap() + 1;
    args[at]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn the_agent_killed_takes_the_way_in_and_the_server_with_its_commands() {
    let home = Home::new();
    let cloudflare = Cloudflare::new(&home, "");
    let program = stub_in(&home, "ignore_term children=2");
    let options = Agent::options().home(home).program(&program);
    let agent = cloudflare.used_by(options).start();
    set_password(&agent);
    let server = agent.healthy();
    switch_on(&agent);
    let (old, way_in) = (agent.pid(), cloudflare.pid());
    let metrics = port_after(&cloudflare, "--metrics");
    let guarded = port_after(&cloudflare, "--url");
    let served = Processes::listening(server)[0].port();
    let left: Vec<Pid> = Processes::below(agent.home().path())
        .into_iter()
        .filter(|pid| ![old, agent.monitor(), way_in].contains(pid))
        .collect();
    assert!(left.contains(&server) && left.len() >= 5, "{left:?}");

    let since = Instant::now();
    Processes::signal(old, "KILL");

    gone(way_in);
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    until("the server and its commands to go", PATIENCE, || {
        left.iter().all(|pid| !Processes::is_alive(*pid)).then_some(())
    });
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    let status = agent.wait_for("the agent to be back", |status| status["agent"]["pid"] != old);
    for port in [metrics, guarded, served] {
        until("the port to be free or the agent's again", PATIENCE, || {
            let is_ours = Processes::below(agent.home().path())
                .into_iter()
                .any(|pid| Processes::listening(pid).iter().any(|held| held.port() == port));
            (is_ours || TcpListener::bind(("127.0.0.1", port)).is_ok()).then_some(())
        });
    }
    assert_eq!(
        status["gateway"]["local_url"],
        agent.base(),
        "open pages find it again"
    );
    assert_ne!(agent.healthy(), server);
    wait_for_state(&agent, "off");
    assert_eq!(cloudflare.starts().len(), 1);
    agent.quit();
}

#[test]
fn an_open_page_outlives_the_death_of_what_it_does_not_stand_on() {
    let home = Home::new();
    let cloudflare = Cloudflare::new(&home, "");
    let program = stub_in(&home, "");
    let options = Agent::options().home(home).program(&program);
    let agent = cloudflare.used_by(options).start();
    set_password(&agent);
    let server = agent.healthy();
    let url = switch_on(&agent);
    let way_in = cloudflare.pid();
    let (owner, visitor) = (agent.enter(), entered(&cloudflare, &url));
    let (mut inside, mut outside) = (Socket::open(&owner, PAGE), Socket::open(&visitor, PAGE));
    inside.answers();
    outside.answers();

    Processes::signal(server, "KILL");
    let second = until("another opencode", PATIENCE, || {
        let found = agent.healthy();
        (found != server).then_some(found)
    });
    outside.answers();
    inside.answers();
    assert_eq!((cloudflare.pid(), Processes::is_alive(way_in)), (way_in, true));
    assert_eq!(cloudflare.starts().len(), 1);

    Processes::signal(way_in, "KILL");
    outside.ended();
    let status = agent.wait_for("remote access to be back", |status| {
        let shown = tunnel(status);
        shown["state"] == "connected" && shown["public_url"] != url
    });
    inside.answers();
    assert_eq!(agent.healthy(), second);
    let url = tunnel(&status)["public_url"].as_str().unwrap();
    let visitor = entered(&cloudflare, url);
    Socket::open(&visitor, PAGE).answers();
    agent.quit();
}

#[test]
fn the_open_page_of_a_revoked_device_ends_within_a_second() {
    let (agent, cloudflare) = ready("");
    let url = switch_on(&agent);
    let (kept, revoked) = (entered(&cloudflare, &url), entered(&cloudflare, &url));
    let (mut stays, mut goes) = (Socket::open(&kept, PAGE), Socket::open(&revoked, PAGE));
    goes.answers();
    let devices: Value = serde_json::from_str(&agent.ask(&["devices", "list", "--json"])).unwrap();
    let devices = devices.as_array().unwrap();
    let of_outside: Vec<&Value> = devices
        .iter()
        .filter(|device| device["listener"] == "tunnel")
        .collect();
    assert_eq!(of_outside.len(), 2, "{devices:#?}");
    // Whichever of the two comes first: one ends, and it is the one that was named.
    let id = of_outside[0]["id"].as_str().unwrap();

    let since = Instant::now();
    agent.ask(&["devices", "revoke", id]);
    let still_in = |visitor: &Session| visitor.get("/chat").status;
    if still_in(&kept) == 401 {
        std::mem::swap(&mut stays, &mut goes);
    }
    goes.ended();

    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    let mut statuses = [still_in(&kept), still_in(&revoked)];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    stays.answers();
    agent.quit();
}
