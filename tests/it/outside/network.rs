//! The network goes and comes, and Cloudflare wants fewer tries: what is lost comes back by itself, and nobody is bothered.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{guarded::store_token, ready, set_password, switch_on, tunnel, wait_for_state};
use crate::{
    harness::{Agent, Cloudflare, Home, PATIENCE, Session, until},
    supervision::is_long,
};

/// As `super::ready`, with every wait of restarting multiplied by `factor`.
fn hasty(words: &str, factor: f64) -> (Agent, Cloudflare) {
    let home = Home::new();
    let cloudflare = Cloudflare::new(&home, words);
    let mut options = cloudflare.used_by(Agent::options().home(home).idle());
    options.env("NEXUS_TEST_WAITS", &factor.to_string());
    let agent = options.start();
    set_password(&agent);
    (agent, cloudflare)
}

/// Notices about remote access that its owner was sent.
fn notices(agent: &Agent) -> Vec<String> {
    let listed = agent.ask(&["notices", "list"]);
    listed.lines().map(str::to_owned).collect()
}

/// Milliseconds from each start to the next.
fn gaps_ms(cloudflare: &Cloudflare) -> Vec<u64> {
    let at: Vec<u64> = cloudflare
        .starts()
        .iter()
        .map(|start| start["at_ms"].as_u64().unwrap())
        .collect();
    at.windows(2).map(|two| two[1] - two[0]).collect()
}

#[test]
fn without_a_network_the_page_works_and_with_it_everything_is_as_before() {
    let (agent, cloudflare) = ready("");
    let url = switch_on(&agent);
    let owner = Session::by_link(&agent.ask(&["open", "--print-url"]));
    let visitor = cloudflare.visitor(&url);
    until("the address to be told", PATIENCE, || {
        notices(&agent)
            .iter()
            .any(|line| line.contains("from outside"))
            .then_some(())
    });
    let before = notices(&agent);

    // Long enough for several tries to dial, three times in a row.
    for for_ms in [3000, 1500, 1500] {
        let down = Instant::now();
        cloudflare.say("/drop", &json!({"for_ms": for_ms}));
        wait_for_state(&agent, "reconnecting");
        if for_ms == 3000 {
            assert_eq!(visitor.get("/login").status, 530);
        }
        agent.wait_for("the connection to be back", |status| {
            let shown = tunnel(status);
            assert_eq!(owner.get("/chat").status, 200);
            let state = shown["state"].as_str().unwrap();
            assert!(["reconnecting", "connected"].contains(&state), "{shown}");
            let reason = shown["reason"].as_str().unwrap_or_default();
            assert!(reason.is_empty() || reason.contains("by itself"), "{shown}");
            state == "connected"
        });
        let back = down.elapsed().saturating_sub(Duration::from_millis(for_ms));
        assert!(back < Duration::from_secs(60), "{back:?}");
        assert_eq!(visitor.get("/login").status, 200);
    }

    let said = agent.ask(&["logs", "--source", "cloudflared"]);
    assert!(said.contains("failed to dial to edge with quic"), "{said}");
    assert_eq!(cloudflare.starts().len(), 1);
    assert_eq!(tunnel(&agent.status())["public_url"], json!(url));
    assert_eq!(notices(&agent), before);
    agent.quit();
}

#[test]
fn switched_on_without_a_network_it_is_there_within_a_minute_of_the_network() {
    const FACTOR: f64 = 0.05;
    let (agent, cloudflare) = hasty("dns_dead", FACTOR);
    agent.ask(&["tunnel", "start", "--no-wait"]);

    // Five failures would be a crash loop, were it the program's fault.
    agent.wait_for("seven tries", |status| {
        let shown = tunnel(status);
        let state = shown["state"].as_str().unwrap();
        assert!(["off", "starting", "reconnecting"].contains(&state), "{shown}");
        if state == "reconnecting" {
            assert!(shown["reason"].as_str().unwrap().contains("offline"), "{shown}");
        }
        cloudflare.starts().len() >= 7
    });
    cloudflare.behave("");

    wait_for_state(&agent, "connected");
    let gaps = gaps_ms(&cloudflare);
    assert!(gaps.len() >= 7, "{gaps:?}");
    let minute_ms = 60_000.0 * FACTOR;
    assert!((*gaps.last().unwrap() as f64) < minute_ms, "{gaps:?}");
    assert!(!notices(&agent).iter().any(|line| line.contains("needs you")));
    agent.quit();
}

#[test]
fn a_service_that_wants_fewer_tries_gets_them() {
    const FACTOR: f64 = 0.01;
    let (agent, cloudflare) = hasty("", FACTOR);
    // In its long form a whole hour of waits.
    let tries = if is_long() { 7 } else { 4 };
    cloudflare.say("/quick", &json!({"answers": vec!["rate_limited"; tries]}));

    agent.ask(&["tunnel", "start", "--no-wait"]);
    wait_for_state(&agent, "connected");

    let gaps = gaps_ms(&cloudflare);
    assert_eq!(gaps.len(), tries, "{gaps:?}");
    let mut wait_ms = 60_000.0 * FACTOR;
    for gap in &gaps {
        assert!(*gap as f64 >= wait_ms, "{gaps:?}");
        wait_ms = (wait_ms * 2.0).min(1_800_000.0 * FACTOR);
    }
    let hour_ms = (3_600_000.0 * FACTOR) as u64;
    let mut since_first = 0;
    let within = gaps.iter().take_while(|gap| {
        since_first += **gap;
        since_first < hour_ms
    });
    // The first one has no gap before it: six in all.
    assert!(within.count() <= 5, "{gaps:?}");
    agent.quit();
}

#[test]
fn lost_for_ten_minutes_a_named_one_is_started_anew_and_a_quick_one_keeps_its_address() {
    const FACTOR: f64 = 0.01;
    let (quick, quick_flared) = hasty("", FACTOR);
    let (named, named_flared) = hasty("", FACTOR);
    named.ask(&["settings", "set", "secrets.file", "true"]);
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    named.ask(&["settings", "set", "tunnel.port", &port.to_string()]);
    let made = named_flared.say(
        "/tunnels",
        &json!({"hosts": ["nexus.example.com"], "ingress": [
            {"hostname": "nexus.example.com", "service": format!("http://127.0.0.1:{port}")},
            {"service": "http_status:404"},
        ]}),
    );
    store_token(&named, made["token"].as_str().unwrap());
    named.ask(&["settings", "set", "tunnel.mode", "token"]);
    let url = switch_on(&quick);
    switch_on(&named);

    let down = Instant::now();
    for flared in [&quick_flared, &named_flared] {
        flared.say("/drop", &json!({"for_ms": 9000}));
    }

    until("the named one to be started anew", PATIENCE, || {
        (named_flared.starts().len() == 2).then_some(())
    });
    assert!(down.elapsed() >= Duration::from_secs(600).mul_f64(FACTOR));
    let shown = wait_for_state(&quick, "degraded");
    assert!(
        shown["reason"].as_str().unwrap().contains("ten minutes"),
        "{shown}"
    );
    let page = Session::by_link(&quick.ask(&["open", "--print-url"])).get("/tunnel");
    assert!(page.body.contains("New address"), "{}", page.body);
    wait_for_state(&named, "connected");
    let shown = wait_for_state(&quick, "connected");
    assert_eq!(shown["public_url"], json!(url));
    assert_eq!(quick_flared.starts().len(), 1);
    for (agent, flared) in [(quick, quick_flared), (named, named_flared)] {
        agent.quit();
        drop(flared);
    }
}

#[test]
fn one_connection_of_four_is_not_missed() {
    let (agent, cloudflare) = ready("");
    agent.ask(&["settings", "set", "secrets.file", "true"]);
    let made = cloudflare.say("/tunnels", &json!({"hosts": ["nexus.example.com"]}));
    store_token(&agent, made["token"].as_str().unwrap());
    agent.ask(&["settings", "set", "tunnel.mode", "token"]);
    agent.ask(&["tunnel", "start", "--no-wait"]);
    let connections = |wanted: u64| {
        agent.wait_for(&format!("{wanted} connections"), |status| {
            tunnel(status)["connections"] == json!(wanted)
        })
    };
    let before: Value = connections(4);

    cloudflare.say("/drop", &json!({"index": 2, "for_ms": 1000}));

    let during = connections(3);
    assert_eq!(tunnel(&during)["state"], tunnel(&before)["state"]);
    assert_eq!(tunnel(&during)["reason"], tunnel(&before)["reason"]);
    connections(4);
    assert_eq!(cloudflare.starts().len(), 1);
    agent.quit();
}

#[test]
fn where_udp_is_blocked_a_named_one_goes_over_tcp_by_itself() {
    let (agent, cloudflare) = ready("scale=0.02 udp_blocked");
    agent.ask(&["settings", "set", "secrets.file", "true"]);
    let made = cloudflare.say("/tunnels", &json!({"hosts": ["nexus.example.com"]}));
    store_token(&agent, made["token"].as_str().unwrap());
    agent.ask(&["settings", "set", "tunnel.mode", "token"]);

    agent.ask(&["tunnel", "start", "--no-wait"]);

    agent.wait_for("the reason", |status| {
        let shown = tunnel(status);
        shown["state"] == "degraded"
            && shown["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("UDP port 7844"))
    });
    agent.wait_for("a connection all the same", |status| {
        tunnel(status)["connections"].as_u64() > Some(0)
    });
    assert_eq!(cloudflare.starts().len(), 1);
    agent.quit();
}

#[test]
fn too_many_requests_at_once_are_cloudflare_s_to_refuse_and_trouble_nobody_here() {
    let (agent, cloudflare) = ready("");
    let url = switch_on(&agent);
    let visitor = cloudflare.visitor(&url);

    cloudflare.say("/rules", &json!({"in_flight_max": 0}));

    assert_eq!(visitor.get("/login").status, 429);
    let owner = Session::by_link(&agent.ask(&["open", "--print-url"]));
    let help = owner.get("/tunnel").body;
    assert!(help.contains("The page says 429"), "{help}");
    assert_eq!(tunnel(&agent.status())["state"], "connected");
    cloudflare.say("/rules", &json!({"in_flight_max": 200}));
    assert_eq!(visitor.get("/login").status, 200);
    assert_eq!(cloudflare.starts().len(), 1);
    agent.quit();
}
