//! It is shut when a part it stands on cannot be trusted, or cannot be asked.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{gone, guarded::store_token, ready, set_password, switch_on, tunnel, wait_for_state};
use crate::{
    harness::{Agent, Cloudflare, Home, Processes, Session},
    supervision::{state, stub_in},
};

#[test]
fn a_server_that_cannot_be_trusted_keeps_it_shut_and_shuts_it() {
    for words in ["open", "wide", "version=1.1.9"] {
        let home = Home::new();
        let cloudflare = Cloudflare::new(&home, "");
        let program = stub_in(&home, words);
        let options = Agent::options().home(home).program(&program);
        let agent = cloudflare.used_by(options).start();
        set_password(&agent);
        agent.wait_for("opencode to be refused", |status| state(status) == "needs_action");

        let asked = agent.nexus(&["tunnel", "start"]);

        assert_eq!(asked.status.code(), Some(4), "{words}: {asked:?}");
        let shown = wait_for_state(&agent, "blocked");
        assert!(shown["reason"].as_str().unwrap().contains("opencode"), "{shown}");
        assert!(cloudflare.starts().is_empty(), "{words}");

        // A good one in its place, and then a bad one again while it is up.
        stub_in(agent.home(), "");
        agent.ask(&["server", "start"]);
        agent.healthy();
        switch_on(&agent);
        let pid = cloudflare.pid();
        stub_in(agent.home(), words);
        agent.nexus(&["server", "restart", "--no-wait"]);
        agent.wait_for("opencode to be refused again", |status| {
            state(status) == "needs_action"
        });
        assert!(gone(pid) < Duration::from_secs(2), "{words}");
        wait_for_state(&agent, "blocked");
        agent.quit();
    }
}

#[test]
fn the_first_server_is_looked_at_before_anything_is_started_and_waited_for_no_longer() {
    for (words, is_killed) in [("ready_after=3", false), ("ready_after=60", true)] {
        let home = Home::new();
        let cloudflare = Cloudflare::new(&home, "");
        let program = stub_in(&home, words);
        let options = Agent::options().home(home).program(&program);
        let agent = cloudflare.used_by(options).start();
        set_password(&agent);

        agent.ask(&["tunnel", "start", "--no-wait"]);

        let status = agent.wait_for("it to be said what is waited for", |status| {
            let reason = tunnel(status)["reason"].as_str().unwrap_or_default();
            reason.contains("whether it can be trusted")
        });
        assert_eq!(tunnel(&status)["state"], "starting", "{status}");
        assert_eq!(state(&status), "starting", "{status}");
        assert!(cloudflare.starts().is_empty(), "{words}");
        if is_killed {
            // One that is gone before it could be looked at lets nobody in.
            let servers = Processes::below(agent.home().path()).into_iter();
            for server in servers.filter(|pid| Processes::command(*pid).contains(" serve ")) {
                Processes::signal(server, "KILL");
            }
        }
        wait_for_state(&agent, "connected");
        assert_eq!(cloudflare.starts().len(), 1, "{words}");
        agent.quit();
    }
}

#[test]
fn access_that_is_half_set_or_meant_for_another_tunnel_starts_nothing() {
    let (agent, cloudflare) = ready("");
    let refused = |word: &str| {
        let asked = agent.nexus(&["tunnel", "start"]);
        assert_eq!(asked.status.code(), Some(4), "{asked:?}");
        let said = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert!(said.contains(word), "{said}");
        assert!(cloudflare.starts().is_empty());
    };
    let audience = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2";

    let file = agent.home().nexus().join("settings.toml");
    let kept = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{kept}\n[access]\nteam = \"acme\"\n")).unwrap();
    agent.ask(&["settings", "list"]);
    refused("access");
    std::fs::write(
        &file,
        format!("{kept}\n[access]\nteam = \"acme\"\naudience = \"{audience}\"\n"),
    )
    .unwrap();
    agent.ask(&["settings", "list"]);
    refused("quick tunnel");

    std::fs::write(&file, &kept).unwrap();
    agent.ask(&["settings", "list"]);
    switch_on(&agent);
    let pid = cloudflare.pid();
    let since = Instant::now();
    std::fs::write(
        &file,
        format!("{kept}\n[access]\nteam = \"acme\"\naudience = \"{audience}\"\n"),
    )
    .unwrap();
    agent.ask(&["settings", "list"]);
    gone(pid);
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    agent.quit();
}

#[test]
fn one_that_does_not_end_when_it_is_told_is_ended() {
    for words in ["ignore_term", "slow_stop"] {
        let (agent, cloudflare) = ready(words);
        switch_on(&agent);
        let pid = cloudflare.pid();

        let since = Instant::now();
        agent.ask(&["tunnel", "stop"]);
        gone(pid);

        assert!(
            since.elapsed() < Duration::from_secs(2),
            "{words}: {:?}",
            since.elapsed()
        );
        agent.quit();
    }
}

#[test]
fn what_led_here_is_gone_before_anybody_else_gets_the_port() {
    let (agent, cloudflare) = ready("ignore_term");
    let free = || {
        TcpListener::bind(("127.0.0.1", 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    };
    let (first, second) = (free(), free());
    agent.ask(&["settings", "set", "tunnel.port", &first.to_string()]);
    switch_on(&agent);
    let pid = cloudflare.pid();

    agent.ask(&["settings", "set", "tunnel.port", &second.to_string()]);
    while Processes::is_alive(pid) {
        let taken = TcpListener::bind(("127.0.0.1", first));
        // It may have gone between the two looks.
        assert!(taken.is_err() || !Processes::is_alive(pid));
    }
    agent.wait_for("another one to lead to the new port", |status| {
        tunnel(status)["state"] == "connected" && cloudflare.starts().len() == 2
    });
    assert!(
        cloudflare.starts()[1]["args"]
            .to_string()
            .contains(&format!("http://127.0.0.1:{second}"))
    );
    agent.quit();
}

#[test]
fn what_leads_elsewhere_from_the_start_lets_nobody_in() {
    let (agent, cloudflare) = ready("");
    agent.ask(&["settings", "set", "secrets.file", "true"]);
    agent.ask(&["settings", "set", "tunnel.mode", "token"]);
    let made = cloudflare.say(
        "/tunnels",
        &json!({"hosts": ["nexus.example.com"], "ingress": [{"service": "ssh://127.0.0.1:22"}]}),
    );
    store_token(&agent, made["token"].as_str().unwrap());

    let asked = agent.nexus(&["tunnel", "start"]);

    assert!(!asked.status.success(), "{asked:?}");
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(said.contains("ssh://127.0.0.1:22"), "{said}");
    gone(cloudflare.pid());
    agent.quit();
}

#[test]
fn the_page_saves_what_makes_sense_and_says_what_does_not() {
    let (agent, cloudflare) = ready("");
    let owner = Session::by_link(&agent.ask(&["open", "--print-url"]));
    let page = owner.get("/tunnel");
    assert!(page.body.contains("How this machine is reached"), "{}", page.body);
    let saved = owner.post_form(
        "/tunnel",
        &[
            ("mode", "manual"),
            ("public_host", "nexus.example.com"),
            ("port", "0"),
        ],
    );
    assert_eq!(saved.status, 303, "{saved:?}");
    assert_eq!(agent.ask(&["settings", "get", "tunnel.mode"]), "\"manual\"");
    let refused = owner.post_form("/tunnel", &[("public_host", "http://x")]);
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.body.contains("must be a name"), "{}", refused.body);
    assert!(cloudflare.starts().is_empty());
    agent.quit();
}

#[test]
fn profiles_are_kept_chosen_and_taken_away_with_their_tokens() {
    let (agent, cloudflare) = ready("");
    agent.ask(&["settings", "set", "secrets.file", "true"]);
    let made = cloudflare.say("/tunnels", &json!({"hosts": ["nexus.example.com"]}));
    agent.ask(&["tunnel", "profiles", "create", "work"]);
    agent.ask(&["settings", "set", "tunnel.profiles.work.mode", "token"]);
    super::guarded::store_secret(&agent, "tunnel-token-work", made["token"].as_str().unwrap());
    assert_eq!(
        agent
            .nexus(&["tunnel", "profiles", "choose", "nobody"])
            .status
            .code(),
        Some(4)
    );
    assert_eq!(
        agent.nexus(&["tunnel", "profiles", "nonsense"]).status.code(),
        Some(2)
    );

    agent.ask(&["tunnel", "profiles", "choose", "work"]);
    agent.nexus(&["tunnel", "start"]);
    let shown = agent.wait_for("the named tunnel to be there", |status| {
        tunnel(status)["profile"] == "work"
    });
    assert_eq!(tunnel(&shown)["mode"], "token");
    let told = cloudflare.starts();
    assert!(!told[0]["args"].to_string().contains("--url"), "{told:?}");
    agent.ask(&["tunnel", "stop"]);

    agent.ask(&["tunnel", "profiles", "rename", "work", "office"]);
    let listed = agent.ask(&["tunnel", "profiles"]);
    assert!(listed.contains("name: office"), "{listed}");
    assert!(agent.ask(&["secret", "list"]).contains("tunnel-token-office"));
    assert_eq!(
        agent
            .nexus(&["tunnel", "profiles", "delete", "office"])
            .status
            .code(),
        Some(4)
    );
    agent.ask(&["tunnel", "profiles", "choose", "none"]);
    agent.ask(&["tunnel", "profiles", "delete", "office"]);
    assert!(!agent.ask(&["secret", "list"]).contains("tunnel-token"));
    assert!(switch_on(&agent).ends_with(".trycloudflare.com"));
    agent.quit();
}
