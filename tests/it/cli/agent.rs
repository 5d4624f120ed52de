//! The agent itself: its status, its one instance, its end.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{check, nexus};
use crate::harness::{Agent, Home, PATIENCE, Processes, until};

#[test]
fn the_status_is_the_object_that_was_promised() {
    let agent = Agent::options().idle().start();

    let status = agent.status();
    let text = agent.ask(&["status"]);

    assert_eq!(status["agent"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["agent"]["headless"], true);
    assert_eq!(
        status["agent"]["home"],
        json!(agent.home().nexus().display().to_string())
    );
    assert!(status["agent"]["uptime_s"].as_f64().unwrap() < 60.0, "{status}");
    assert_eq!(status["gateway"]["local_url"], agent.base());
    assert_eq!(status["gateway"]["sessions"], 0);
    assert!(status["gateway"]["streams"].is_u64(), "{status}");
    assert_eq!(status["modules"]["gateway"]["state"], "running");
    for (name, module) in status["modules"].as_object().unwrap() {
        for member in ["state", "since", "reason", "next_attempt_in_s", "facts"] {
            assert!(module.get(member).is_some(), "{name} has no {member}: {module}");
        }
    }
    assert!(text.contains(agent.base()) && text.contains("gateway"), "{text}");
    agent.quit();
}

#[test]
fn the_status_is_told_again_when_it_changes() {
    let agent = Agent::options().idle().start();
    let mut watching = agent
        .command(&["status", "--watch", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(watching.stdout.take().unwrap()));
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();

    let _owner = agent.enter();
    let told = lines.by_ref().map_while(Result::ok).any(|line| {
        let status: Value = serde_json::from_str(&line).unwrap();
        status["gateway"]["sessions"] == 1
    });
    agent.quit();

    assert_eq!(first["gateway"]["sessions"], 0);
    assert!(told);
    until("the watch to end with the agent", PATIENCE, || {
        watching.try_wait().unwrap()
    });
}

#[test]
fn of_ten_starts_at_once_one_lives() {
    let home = Home::new();
    home.settings("[opencode]\nautostart = false\n");
    let mut starts: Vec<_> = (0..10)
        .map(|_| {
            home.nexus_command()
                .args(["run", "--headless"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();

    until("nine of them to leave", PATIENCE, || {
        let ended = starts.iter_mut().filter_map(|start| start.try_wait().unwrap());
        let codes: Vec<_> = ended.map(|status| status.code()).collect();
        (codes.len() == 9).then(|| assert_eq!(codes, [Some(0); 9]))
    });
    let began = Instant::now();
    let late = nexus(&home, &["run", "--headless"]);
    let took = began.elapsed();
    check(&nexus(&home, &["status"]), 0, "gateway", "");
    check(&nexus(&home, &["quit"]), 0, "", "");
    let last = until("the last to end", PATIENCE, || {
        starts.iter_mut().find_map(|start| {
            let status = start.try_wait().unwrap();
            status.filter(|_| true)
        })
    });

    check(&late, 0, "", "running already");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(last.success());
    for mut start in starts {
        start.wait().unwrap();
    }
    home.assert_empty();
}

#[test]
fn a_signal_ends_the_agent_in_time() {
    for name in ["TERM", "INT", "HUP"] {
        let mut agent = Agent::options().idle().start();
        let began = Instant::now();

        Processes::signal(agent.pid(), name);
        let status = agent.ended();

        assert!(status.success(), "{name}: {status}");
        assert!(
            began.elapsed() < Duration::from_secs(7),
            "{name}: {:?}",
            began.elapsed()
        );
        agent.home().assert_empty();
    }
}
