//! What goes wrong with cloudflared is told with what to do, and passes as it should.

use std::time::Duration;

use serde_json::json;

use super::{ready, switch_on, tunnel, wait_for_state};
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
fn a_rate_limit_is_said_and_waited_out() {
    let (agent, cloudflare) = ready("");
    cloudflare.say("/quick", &json!({"answers": ["rate_limited"]}));

    let asked = agent.nexus(&["tunnel", "start"]);

    assert_eq!(asked.status.code(), Some(1), "{asked:?}");
    assert!(
        String::from_utf8_lossy(&asked.stderr).contains("limits how often"),
        "{asked:?}"
    );
    let shown = wait_for_state(&agent, "reconnecting");
    let wait = shown["next_attempt_in_s"].as_f64().unwrap();
    assert!((50.0..=66.0).contains(&wait), "{wait}");
    assert_eq!(cloudflare.starts().len(), 1);

    // Its owner can try at once.
    let url = switch_on(&agent);
    assert!(url.ends_with(".trycloudflare.com"), "{url}");
    agent.quit();
}

#[test]
fn a_token_that_is_none_is_said_at_once_and_not_tried_again() {
    let (agent, cloudflare) = ready("");
    agent.ask(&["settings", "set", "tunnel.mode", "token"]);
    let without = agent.nexus(&["tunnel", "start"]);
    assert_eq!(without.status.code(), Some(4), "{without:?}");
    assert!(
        cloudflare.starts().is_empty(),
        "nothing is started without a token: {:?}",
        cloudflare.starts()
    );
    // It would look for a token by itself.
    agent.ask(&["tunnel", "stop"]);

    agent.ask(&["settings", "set", "secrets.file", "true"]);
    super::guarded::store_token(&agent, "garbage-canary-token");
    let asked = agent.nexus(&["tunnel", "start"]);

    assert_eq!(asked.status.code(), Some(4), "{asked:?}");
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(said.contains("nexus secret set tunnel-token"), "{said}");
    assert_eq!(tunnel(&agent.status())["state"], "needs_action");
    assert_eq!(cloudflare.starts().len(), 1);
    assert!(!agent.log().contains("garbage-canary-token"));
    agent.quit();
}

#[test]
fn an_address_alone_is_not_a_connection() {
    let (agent, cloudflare) = ready("udp_blocked");
    agent.ask(&["tunnel", "start", "--no-wait"]);

    let status = agent.wait_for("the reason to be said", |status| {
        tunnel(status)["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("UDP"))
    });

    let shown = tunnel(&status);
    assert_eq!(shown["state"], "degraded");
    assert_eq!(cloudflare.starts().len(), 1);
    agent.quit();
}

#[test]
fn a_deleted_tunnel_is_said() {
    let (agent, cloudflare) = ready("");
    agent.ask(&["settings", "set", "secrets.file", "true"]);
    let made = cloudflare.say(
        "/tunnels",
        &json!({"hosts": ["nexus.example.com"], "ingress": []}),
    );
    super::guarded::store_token(&agent, made["token"].as_str().unwrap());
    agent.ask(&["settings", "set", "tunnel.mode", "token"]);
    agent.ask(&[
        "settings",
        "set",
        "tunnel.extra_args",
        "[\"--protocol\", \"http2\"]",
    ]);
    cloudflare.say("/rules", &json!({"register": "not_found"}));

    agent.ask(&["tunnel", "start", "--no-wait"]);

    let status = agent.wait_for("the reason to be said", |status| {
        tunnel(status)["state"] == "needs_action"
    });
    assert!(
        tunnel(&status)["reason"].as_str().unwrap().contains("deleted"),
        "{status}"
    );
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

#[test]
fn what_the_service_for_quick_tunnels_fails_with_is_told_and_tried_again() {
    for (answer, said) in [
        ("broken", "does not work at this moment"),
        ("refused", "does not work at this moment"),
        ("truncated", "does not work at this moment"),
        ("silent", "cannot be reached"),
    ] {
        let (agent, cloudflare) = ready("");
        cloudflare.say("/quick", &json!({"answers": [answer]}));

        let asked = agent.nexus(&["tunnel", "start"]);

        assert_eq!(asked.status.code(), Some(1), "{answer}: {asked:?}");
        let text = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert!(text.contains(said), "{answer}: {text}");
        agent.wait_for("it to be tried again by itself", |status| {
            tunnel(status)["state"] == "connected"
        });
        assert_eq!(cloudflare.starts().len(), 2, "{answer}");
        agent.quit();
    }
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
fn a_token_that_was_replaced_is_said_as_far_as_cloudflared_says_it() {
    for (protocol, state, said) in [
        ("http2", "needs_action", "refuses this tunnel's token"),
        ("quic", "degraded", "without saying why"),
    ] {
        let (agent, cloudflare) = ready("");
        agent.ask(&["settings", "set", "secrets.file", "true"]);
        let made = cloudflare.say(
            "/tunnels",
            &json!({"hosts": ["nexus.example.com"], "ingress": []}),
        );
        super::guarded::store_token(&agent, made["token"].as_str().unwrap());
        agent.ask(&["settings", "set", "tunnel.mode", "token"]);
        let arguments = format!("[\"--protocol\", \"{protocol}\"]");
        agent.ask(&["settings", "set", "tunnel.extra_args", &arguments]);
        cloudflare.say("/rules", &json!({"register": "unauthorized"}));

        agent.ask(&["tunnel", "start", "--no-wait"]);

        agent.wait_for(&format!("the reason over {protocol}"), |status| {
            let shown = tunnel(status);
            shown["state"] == state
                && shown["reason"]
                    .as_str()
                    .is_some_and(|reason| reason.contains(said))
        });
        agent.quit();
    }
}
