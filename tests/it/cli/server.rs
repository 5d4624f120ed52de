//! `nexus server`: each verb waits until opencode has got there, and says where it is.

use serde_json::Value;

use super::{check, stdout};
use crate::harness::{Agent, Pid, Processes};

/// The state and the process of opencode.
fn seen(agent: &Agent) -> (String, Option<Pid>) {
    let module = agent.status()["modules"]["opencode"].clone();
    let pid = module["pid"].as_u64().map(|pid| Pid::try_from(pid).unwrap());
    (module["state"].as_str().unwrap().to_owned(), pid)
}

#[test]
fn the_server_is_started_restarted_and_stopped_before_the_command_ends() {
    let agent = Agent::options().idle().start();
    let off = agent.nexus(&["server", "status"]);

    let start = agent.nexus(&["server", "start"]);
    let started = seen(&agent);
    let on = agent.nexus(&["server", "status"]);
    let again = agent.nexus(&["server", "start"]);
    let still = seen(&agent);
    let restart = agent.nexus(&["server", "restart"]);
    let restarted = seen(&agent);
    let stop = agent.nexus(&["server", "stop"]);
    let stopped = seen(&agent);

    check(&off, 0, "Stopped", "");
    check(&start, 0, "Running: opencode 1.18.33 on 127.0.0.1:", "");
    check(&on, 0, "Running (Version: 1.18.33", "");
    check(&again, 0, "Running", "");
    check(&restart, 0, "Running", "");
    check(&stop, 0, "Stopped.", "");
    assert_eq!(started.0, "healthy");
    assert_eq!(still, started, "a server that runs is not started again");
    assert_eq!(restarted.0, "healthy");
    assert_ne!(restarted.1, started.1);
    assert_eq!(stopped, ("stopped".to_owned(), None));
    assert!(!Processes::is_alive(started.1.unwrap()) && !Processes::is_alive(restarted.1.unwrap()));
    agent.quit();
}

#[test]
fn who_does_not_want_to_wait_is_answered_at_once() {
    let agent = Agent::options().idle().start();

    let start = agent.nexus(&["server", "start", "--no-wait"]);
    check(&start, 0, "", "");
    let status = agent.nexus(&["server", "status", "--json"]);
    agent.healthy();
    let stop = agent.nexus(&["server", "stop", "--no-wait"]);
    check(&stop, 0, "", "");

    let text: Value = serde_json::from_str(&stdout(&status)).unwrap();
    assert!(text.as_str().unwrap().starts_with("Starting"), "{text}");
    agent.wait_for("opencode to be stopped", |status| {
        status["modules"]["opencode"]["state"] == "stopped"
    });
    agent.quit();
}
