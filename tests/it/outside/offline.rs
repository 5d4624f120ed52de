//! What needs no connection. `NEXUS_TEST_CLOUDFLARED` names a real cloudflared that plays all of it; the stories of all
//! other files are played by the stand-in, because a real one registers with Cloudflare alone.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{gone, set_password, tunnel, wait_for_state};
use crate::harness::{Agent, Cloudflare, Home, PATIENCE, Processes, Session, block_on, until};

/// Longer than a fault that ends with the first try would last.
const FOR_LONG: Duration = Duration::from_secs(2);

/// As `super::ready`, without an edge.
fn ready() -> (Agent, Cloudflare) {
    let home = Home::new();
    let cloudflare = Cloudflare::without_edge(&home);
    let agent = cloudflare.used_by(Agent::options().home(home).idle()).start();
    set_password(&agent);
    (agent, cloudflare)
}

fn has_address(status: &Value) -> bool {
    tunnel(status)["public_url"].is_string()
}

/// Where the cloudflared of the last start answers questions about itself.
fn metrics(cloudflare: &Cloudflare) -> String {
    argument(cloudflare, "--metrics")
}

fn argument(cloudflare: &Cloudflare, flag: &str) -> String {
    let starts = cloudflare.starts();
    let args: Vec<&str> = starts.last().unwrap()["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|arg| arg.as_str().unwrap())
        .collect();
    let at = args.iter().position(|arg| *arg == flag).unwrap();
    args[at + 1].to_owned()
}

/// Status and JSON of a path of cloudflared's own; `None` while it does not answer.
fn asked(address: &str, path: &str) -> Option<(u16, Value)> {
    block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("http://{address}{path}")).send().await.ok()?;
        Some((answer.status().as_u16(), answer.json().await.ok()?))
    })
}

#[test]
fn an_address_alone_is_not_a_connection_for_as_long_as_it_lasts() {
    let (agent, cloudflare) = ready();

    let asked_for = agent.nexus(&["tunnel", "start"]);

    assert_eq!(asked_for.status.code(), Some(1), "{asked_for:?}");
    let said = String::from_utf8_lossy(&asked_for.stderr).into_owned();
    assert!(said.contains("UDP port 7844"), "{said}");
    // What is in the way may be known before the address is.
    agent.wait_for("the address to be known", |status| {
        tunnel(status)["public_url"].is_string()
    });
    let url = agent.ask(&["tunnel", "url"]);
    let owner = Session::by_link(&agent.ask(&["open", "--print-url"]));
    let (since, mut states) = (Instant::now(), BTreeSet::new());
    until("a while to pass", PATIENCE, || {
        let status = agent.status();
        let shown = tunnel(&status);
        states.insert(shown["state"].as_str().unwrap().to_owned());
        let reason = shown["reason"].as_str().unwrap();
        assert!(
            reason.starts_with(&format!("{url} is yours, and not reachable yet.")),
            "{shown}"
        );
        (since.elapsed() > FOR_LONG).then_some(())
    });
    assert_eq!(states, BTreeSet::from(["degraded".to_owned()]));
    let page = owner.get("/tunnel").body;
    assert!(page.contains("not reachable yet"), "{page}");
    assert!(!page.contains("Pair a phone"), "{page}");
    let (code, ready) = asked(&metrics(&cloudflare), "/ready").unwrap();
    assert_eq!((code, &ready["readyConnections"]), (503, &json!(0)));
    assert_eq!(cloudflare.starts().len(), 1);

    let pid = cloudflare.pid();
    agent.ask(&["tunnel", "stop"]);
    assert!(gone(pid) < Duration::from_secs(2));
    let shown = wait_for_state(&agent, "off");
    assert_eq!(shown["public_url"], json!(null));
    agent.quit();
}

#[test]
fn its_version_is_shown_as_it_says_it() {
    let (agent, cloudflare) = ready();
    let output = agent
        .home()
        .command(cloudflare.program())
        .arg("--version")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let version = said.split(' ').nth(2).expect("a version");
    // One that somebody built from source has none.
    let expected = if version == "DEV" {
        json!(null)
    } else {
        json!(version)
    };

    agent.ask(&["tunnel", "start", "--no-wait"]);

    let status = agent.wait_for("an address", has_address);
    assert_eq!(tunnel(&status)["version"], expected);
    agent.quit();
}

#[test]
fn a_rate_limit_is_said_and_waited_out() {
    let (agent, cloudflare) = ready();
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
    agent.ask(&["tunnel", "start", "--no-wait"]);
    agent.wait_for("an address", has_address);
    assert_eq!(cloudflare.starts().len(), 2);
    agent.quit();
}

#[test]
fn what_the_service_for_quick_tunnels_fails_with_is_told_and_tried_again() {
    for (answer, said) in [
        ("broken", "does not work at this moment"),
        ("refused", "does not work at this moment"),
        ("truncated", "does not work at this moment"),
        ("silent", "cannot be reached"),
        ("nobody listens", "cannot be reached"),
    ] {
        let (agent, cloudflare) = ready();
        if answer == "nobody listens" {
            cloudflare.behave("quick_service=http://127.0.0.1:7");
        } else {
            cloudflare.say("/quick", &json!({"answers": [answer]}));
        }

        let asked = agent.nexus(&["tunnel", "start"]);
        cloudflare.behave("");

        assert_eq!(asked.status.code(), Some(1), "{answer}: {asked:?}");
        let text = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert!(
            text.contains(said) && text.contains("tried again by itself"),
            "{answer}: {text}"
        );
        agent.wait_for("it to be tried again by itself", has_address);
        assert_eq!(cloudflare.starts().len(), 2, "{answer}");
        agent.quit();
    }
}

#[test]
fn a_token_that_is_none_is_said_at_once_and_not_tried_again() {
    let (agent, cloudflare) = ready();
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
    for (count, token) in [
        (1, "garbage-canary-token"),
        // With the command around it, as Cloudflare's page shows it.
        (
            2,
            "cloudflared service install eyJhIjoiMCIsInQiOiIxIiwicyI6ImNhbmFyeSJ9",
        ),
    ] {
        super::guarded::store_token(&agent, token);
        let asked = agent.nexus(&["tunnel", "start"]);

        assert_eq!(asked.status.code(), Some(4), "{asked:?}");
        let said = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert!(said.contains("nexus secret set tunnel-token"), "{said}");
        assert_eq!(tunnel(&agent.status())["state"], "needs_action");
        assert_eq!(cloudflare.starts().len(), count);
        for file in std::fs::read_dir(agent.home().nexus().join("logs")).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(!text.contains(token), "{}", path.display());
        }
        assert!(!cloudflare.starts()[count - 1]["args"].to_string().contains(token));
    }
    agent.quit();
}

#[test]
fn a_credentials_file_that_is_none_is_named() {
    let (agent, cloudflare) = ready();
    let file = agent.home().path().join("nexus.json");
    for (key, value) in [
        ("tunnel.mode", "local"),
        ("tunnel.public_host", "nexus.example.com"),
        ("tunnel.tunnel_id", "1fad5712-f9f8-4f7b-99b3-98ea7ae98196"),
        ("tunnel.credentials", file.to_str().unwrap()),
    ] {
        agent.ask(&["settings", "set", key, value]);
    }
    for (count, content, said) in [
        (1, None, "cannot be used"),
        (2, Some("no credentials"), "holds no credentials"),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }

        let asked = agent.nexus(&["tunnel", "start"]);

        assert_eq!(asked.status.code(), Some(4), "{asked:?}");
        let text = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert!(
            text.contains(said) && text.contains("nexus settings set tunnel.credentials PATH"),
            "{text}"
        );
        assert_eq!(cloudflare.starts().len(), count);
    }
    agent.quit();
}

#[test]
fn a_configuration_of_its_owner_s_own_changes_nothing() {
    for text in [
        "ingress:\n  - service: http://127.0.0.1:9\n",
        "ingress: [broken\n",
    ] {
        let (agent, cloudflare) = ready();
        let folder = agent.home().user().join(".cloudflared");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.yml"), text).unwrap();

        agent.ask(&["tunnel", "start", "--no-wait"]);

        agent.wait_for("an address", has_address);
        let (_, config) = asked(&metrics(&cloudflare), "/config").unwrap();
        let services: Vec<&Value> = config["config"]["ingress"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| &rule["service"])
            .collect();
        assert_eq!(services, [&json!(argument(&cloudflare, "--url"))], "{config}");
        agent.quit();
    }
}

#[test]
fn killed_it_is_started_again_and_with_the_agent_it_goes() {
    let (agent, cloudflare) = ready();
    agent.ask(&["tunnel", "start", "--no-wait"]);
    let status = agent.wait_for("an address", has_address);
    let former = tunnel(&status)["public_url"].clone();

    Processes::signal(cloudflare.pid(), "KILL");
    agent.wait_for("another one under another address", |status| {
        has_address(status) && tunnel(status)["public_url"] != former
    });
    assert_eq!(cloudflare.starts().len(), 2);

    let pid = cloudflare.pid();
    Processes::signal(agent.pid(), "KILL");
    assert!(gone(pid) < Duration::from_secs(2));
    wait_for_state(&agent, "off");
    agent.quit();
}

#[test]
fn a_given_one_is_handed_what_stands_in_cloudflare_s_place() {
    let home = Home::new();
    // Without words beside it the stand-in goes by its flags, as a real one does.
    let built = std::path::Path::new(env!("CARGO_BIN_EXE_nexus")).with_file_name("fake-cloudflared");
    let program = home.path().join("a-real-one");
    std::fs::copy(built, &program).unwrap();
    let cloudflare = Cloudflare::given(&home, &program);
    let agent = cloudflare.used_by(Agent::options().home(home).idle()).start();
    set_password(&agent);

    agent.ask(&["tunnel", "start", "--no-wait"]);

    let status = agent.wait_for("an address", has_address);
    let service = cloudflare.addresses()["control"].as_str().unwrap().to_owned();
    let ran = Processes::command(cloudflare.pid());
    let head = format!(
        "{} tunnel --quick-service {service} --edge 127.0.0.1:7 --config ",
        program.display()
    );
    assert!(ran.starts_with(&head), "{ran}");
    assert_eq!(tunnel(&status)["pid"], json!(cloudflare.pid()));
    assert_eq!(tunnel(&status)["version"], json!("2026.8.2"));
    let noted = cloudflare.starts()[0]["args"].to_string();
    assert!(
        !noted.contains("--edge") && !noted.contains("--quick-service"),
        "{noted}"
    );
    agent.quit();
}
