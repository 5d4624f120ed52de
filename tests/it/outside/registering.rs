//! Cloudflare does not take the connection: what is said, whether cloudflared goes on, and that it passes.

use serde_json::{Value, json};

use super::{guarded::store_token, ready, set_password, tunnel};
use crate::harness::{Agent, Cloudflare, Home, Processes};

/// How Cloudflare refuses, and what the owner sees of it.
struct Refused {
    protocol: &'static str,
    rule: Value,
    state: &'static str,
    /// What is said, and the next step.
    says: [&'static str; 2],
    /// Whether cloudflared gives up, so that another is started.
    ends: bool,
}

fn cases() -> Vec<Refused> {
    let refused = |protocol, rule, state, says, ends| Refused {
        protocol,
        rule,
        state,
        says,
        ends,
    };
    let silent = ["without saying why", "\"--protocol\", \"http2\""];
    let gave_up = "did not take the connection";
    vec![
        refused(
            "http2",
            json!("unauthorized"),
            "needs_action",
            ["refuses this tunnel's token", "nexus secret set tunnel-token"],
            false,
        ),
        refused(
            "http2",
            json!("not_found"),
            "needs_action",
            ["was deleted", "nexus settings set tunnel.mode quick"],
            false,
        ),
        refused("quic", json!("unauthorized"), "degraded", silent, false),
        refused("quic", json!("not_found"), "degraded", silent, false),
        refused(
            "quic",
            json!({"final": "no room for another"}),
            "degraded",
            silent,
            false,
        ),
        refused(
            "http2",
            json!({"final": "no room for another"}),
            "reconnecting",
            [gave_up, "no room for another. It is tried again by itself"],
            true,
        ),
        refused(
            "http2",
            json!("silent"),
            "reconnecting",
            [gave_up, "context deadline exceeded. It is tried again by itself"],
            true,
        ),
    ]
}

#[test]
fn each_way_to_be_refused_is_said_with_the_next_step_and_passes_by_itself() {
    let (agent, cloudflare) = ready("");
    agent.ask(&["settings", "set", "secrets.file", "true"]);
    let made = cloudflare.say("/tunnels", &json!({"hosts": ["nexus.example.com"]}));
    store_token(&agent, made["token"].as_str().unwrap());
    agent.ask(&["settings", "set", "tunnel.mode", "token"]);

    for case in cases() {
        let named = format!("{} over {}", case.rule, case.protocol);
        let arguments = format!("[\"--protocol\", \"{}\"]", case.protocol);
        agent.ask(&["settings", "set", "tunnel.extra_args", &arguments]);
        cloudflare.say("/rules", &json!({"register": case.rule}));
        let starts = cloudflare.starts().len();

        agent.ask(&["tunnel", "start", "--no-wait"]);

        agent.wait_for(&format!("the reason: {named}"), |status| {
            let shown = tunnel(status);
            let reason = shown["reason"].as_str().unwrap_or_default();
            shown["state"] == case.state && case.says.iter().all(|words| reason.contains(words))
        });
        let is_alive = Processes::is_alive(cloudflare.pid());
        assert!(is_alive || case.ends, "{named}");
        cloudflare.say("/rules", &json!({"register": "none"}));
        agent.wait_for(&format!("a connection after all: {named}"), |status| {
            tunnel(status)["connections"].as_u64() > Some(0)
        });
        let more = cloudflare.starts().len() - starts;
        assert_eq!(more > 1, case.ends, "{named}: {more} starts");
        agent.ask(&["tunnel", "stop"]);
    }
    agent.quit();
}

#[test]
fn a_network_without_names_is_said_of_a_named_one_too() {
    let (agent, cloudflare) = ready("dns_dead");
    agent.ask(&["settings", "set", "secrets.file", "true"]);
    let made = cloudflare.say("/tunnels", &json!({"hosts": ["nexus.example.com"]}));
    store_token(&agent, made["token"].as_str().unwrap());
    agent.ask(&["settings", "set", "tunnel.mode", "token"]);

    let asked = agent.nexus(&["tunnel", "start"]);
    cloudflare.behave("");

    assert_eq!(asked.status.code(), Some(1), "{asked:?}");
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(
        said.contains("offline") && said.contains("tried again by itself"),
        "{said}"
    );
    agent.wait_for("a connection", |status| {
        tunnel(status)["connections"].as_u64() > Some(0)
    });
    agent.quit();
}

/// What was waited for in `says`, and that nothing was started more than `starts` times.
#[track_caller]
fn needs_its_owner(agent: &Agent, cloudflare: &Cloudflare, says: &[&str], starts: usize) {
    let asked = agent.nexus(&["tunnel", "start"]);

    assert_eq!(asked.status.code(), Some(4), "{asked:?}");
    let text = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(says.iter().all(|words| text.contains(words)), "{text}");
    assert_eq!(tunnel(&agent.status())["state"], "needs_action");
    assert_eq!(cloudflare.starts().len(), starts);
}

#[test]
fn an_option_it_does_not_know_ends_it_with_0_and_needs_its_owner() {
    let (agent, cloudflare) = ready("unknown=post-quantum");
    agent.ask(&["settings", "set", "tunnel.extra_args", "[\"--post-quantum\"]"]);

    let says = [
        "does not understand how it was started",
        "Update cloudflared, or empty that setting",
    ];
    needs_its_owner(&agent, &cloudflare, &says, 1);

    agent.ask(&["settings", "reset", "tunnel.extra_args"]);
    super::switch_on(&agent);
    agent.quit();
}

#[test]
fn one_that_is_too_old_is_not_started() {
    let home = Home::new();
    let cloudflare = Cloudflare::new(&home, "old");
    let mut options = cloudflare.used_by(Agent::options().home(home).idle());
    options.env("NEXUS_TEST_WAITS", "0.05");
    let agent = options.start();
    set_password(&agent);

    let says = ["2025.1.1", "2025.4.0 is the oldest that can be used. Update it"];
    needs_its_owner(&agent, &cloudflare, &says, 0);

    cloudflare.behave("");
    super::switch_on(&agent);
    agent.quit();
}

#[test]
fn a_port_that_somebody_else_took_is_replaced_by_another() {
    let (agent, cloudflare) = ready("url_after=1");
    agent.ask(&["tunnel", "start", "--no-wait"]);
    let port = |start: &Value| -> u16 {
        let args = start["args"].as_array().unwrap();
        let at = args.iter().position(|arg| arg == "--metrics").unwrap();
        let address = args[at + 1].as_str().unwrap();
        address.rsplit(':').next().unwrap().parse().unwrap()
    };
    let first = crate::harness::until("a start", crate::harness::PATIENCE, || {
        cloudflare.starts().first().map(&port)
    });
    // It listens there only once it has its address.
    let _taken = std::net::TcpListener::bind(("127.0.0.1", first)).unwrap();

    let status = agent.wait_for("another one, on another port", |status| {
        tunnel(status)["state"] == "connected"
    });

    let starts = cloudflare.starts();
    assert_eq!(starts.len(), 2, "{starts:?}");
    assert_ne!(port(&starts[1]), first);
    // Nothing failed: it was not waited for, and does not count.
    assert_eq!(tunnel(&status)["restarts"], json!(0));
    agent.quit();
}
