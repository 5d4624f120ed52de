//! The real opencode.

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use super::{gone, healthy_again, odd_sleep, own_start, report, sleepers, state};
use crate::harness::{Agent, PATIENCE, Pid, Processes, block_on, until};

/// Has opencode run a command that leaves one process in its session and one outside of it, and returns both.
#[track_caller]
pub(super) fn shell_of(agent: &Agent, seconds: &str) -> Vec<Pid> {
    let pid = agent.healthy();
    let port = agent.status()["modules"]["opencode"]["port"].as_u64().unwrap();
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let password = environment
        .split(|&byte| byte == 0)
        .find_map(|entry| entry.strip_prefix(b"OPENCODE_SERVER_PASSWORD="))
        .map(|password| String::from_utf8_lossy(password).into_owned())
        .unwrap();
    let key = format!("Basic {}", BASE64_STANDARD.encode(format!("opencode:{password}")));
    let project = agent.home().project("shop");
    let base = format!("http://127.0.0.1:{port}");
    let directory: String =
        url::form_urlencoded::byte_serialize(project.to_string_lossy().as_bytes()).collect();
    let client = reqwest::Client::new();
    let session: serde_json::Value = block_on(async {
        let answer = client
            .post(format!("{base}/session?directory={directory}"))
            .header("Authorization", &key)
            .json(&json!({}))
            .send()
            .await
            .unwrap();
        answer.json().await.unwrap()
    });
    let id = session["id"].as_str().unwrap().to_owned();
    let command = format!("(setsid sleep {seconds} &); sleep {seconds}");
    let call = client
        .post(format!("{base}/session/{id}/shell?directory={directory}"))
        .header("Authorization", &key)
        .json(&json!({"agent": "build", "command": command}))
        .send();
    // It answers when the command has ended, which it does with its server.
    std::thread::spawn(move || drop(block_on(call)));
    until("the shell to run", PATIENCE, || {
        let found = sleepers(agent.home(), seconds);
        (found.len() == 2).then_some(found)
    })
}

#[test]
fn a_killed_server_is_healthy_again_after_a_second_and_its_own_start() {
    let agent = Agent::options().start();
    agent.healthy();
    let own = own_start(&agent, 3);
    let old = agent.healthy();
    let before = agent.status()["modules"]["opencode"]["restarts"]
        .as_u64()
        .unwrap();

    let killed = Instant::now();
    Processes::signal(old, "KILL");
    healthy_again(&agent, old);

    let took = killed.elapsed();
    let restarts = agent.status()["modules"]["opencode"]["restarts"].as_u64();
    // Compared with the clean starts before and after it: on a busy machine they differ from minute to minute.
    let own = own.max(own_start(&agent, 3));
    report(&format!(
        "killed opencode healthy again after {took:?}, its own start takes {own:?}"
    ));
    assert!(
        took <= own + Duration::from_secs(2),
        "{took:?}, own start {own:?}"
    );
    assert_eq!(restarts, Some(before + 1));
    agent.quit();
}

#[test]
fn a_tool_command_does_not_outlive_a_stop() {
    let agent = Agent::options().start();
    let shells = shell_of(&agent, &odd_sleep());

    let begun = Instant::now();
    agent.ask(&["server", "stop"]);

    assert!(begun.elapsed() <= Duration::from_secs(12));
    assert!(!shells.iter().any(|pid| Processes::is_alive(*pid)));
    agent.quit();
}

#[test]
fn a_killed_agent_takes_everything_with_it_and_comes_back() {
    let agent = Agent::options().start();
    let shells = shell_of(&agent, &odd_sleep());
    let (old_agent, old_server) = (agent.pid(), agent.healthy());

    Processes::signal(old_agent, "KILL");

    let mut tree = shells;
    tree.push(old_server);
    let took = gone("opencode and its shells to end", &tree);
    report(&format!("agent killed: its tree was gone after {took:?}"));
    assert!(took <= Duration::from_secs(5), "{took:?}");
    healthy_again(&agent, old_server);
    assert_ne!(agent.pid(), old_agent);
    assert_eq!(
        agent.stranger().get("/healthz").status,
        200,
        "the door is where it was"
    );
    agent.quit();
}

#[test]
fn a_foreign_process_on_the_pinned_port_is_named_and_left_alone() {
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port();
    drop(stranger);
    let mut holder = std::process::Command::new("python3")
        .args(["-m", "http.server", &port.to_string(), "--bind", "127.0.0.1"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("the stranger to listen", PATIENCE, || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let agent = Agent::options().opencode(&format!("port = {port}")).start();

    let status = agent.wait_for("the conflict", |status| state(status) == "needs_action");
    let reason = super::reason(&status).to_owned();
    assert!(
        reason.contains("python3") && reason.contains(&holder.id().to_string()),
        "{reason}"
    );
    assert!(holder.try_wait().unwrap().is_none(), "it lives on");
    holder.kill().unwrap();
    holder.wait().unwrap();
    let own = Duration::from_secs(30);
    agent.wait_within(
        "opencode to take the port",
        Duration::from_secs(15) + own,
        |status| state(status) == "healthy" && status["modules"]["opencode"]["port"] == port,
    );

    agent.quit();
}
