//! Settings and logs: what is read and written on the files, with and without an agent.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::{Value, json};

use super::{check, nexus, stdout};
use crate::harness::{Agent, Home, PATIENCE, until};

#[test]
fn settings_are_the_same_with_and_without_an_agent() {
    let home = Home::new();
    home.settings("# mine\n[gateway]\nport = 0 # any\n");

    check(
        &nexus(&home, &["settings", "set", "logs.keep_days", "3"]),
        0,
        "",
        "",
    );
    check(&nexus(&home, &["settings", "get", "logs.keep_days"]), 0, "3", "");
    let agent = Agent::options().home(home).start();
    let kept = agent.ask(&["settings", "get", "logs.keep_days"]);
    agent.ask(&["settings", "set", "logs.level", "debug"]);
    let list = agent.ask(&["settings", "list", "--json"]);
    let path = agent.ask(&["settings", "path"]);
    let home = agent.quit();

    assert_eq!(kept, "3");
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    let level = list.iter().find(|entry| entry["key"] == "logs.level").unwrap();
    assert_eq!(
        (&level["value"], &level["is_set"]),
        (&json!("\"debug\""), &json!(true))
    );
    let text = fs::read_to_string(path).unwrap();
    assert!(
        text.contains("# mine") && text.contains("port = 0 # any"),
        "{text}"
    );
    check(&nexus(&home, &["settings", "reset", "logs.level"]), 0, "", "");
    check(&nexus(&home, &["settings", "get", "logs.level"]), 0, "info", "");
}

#[test]
fn a_broken_settings_file_is_kept_and_the_agent_starts() {
    let home = Home::new();
    home.settings("[gateway\nport = ");

    let agent = Agent::options().home(home).start();
    let home = agent.quit();
    let logged = stdout(&nexus(&home, &["logs", "--grep", "settings file"]));

    assert!(
        logged.contains("could not be understood (line 1, column 9: unclosed table"),
        "{logged}"
    );
    let kept = fs::read_dir(home.nexus()).unwrap().flatten().find(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("settings.toml.corrupt-")
    });
    assert_eq!(
        fs::read_to_string(kept.unwrap().path()).unwrap(),
        "[gateway\nport = "
    );
}

#[test]
fn logs_are_read_with_and_without_an_agent() {
    let agent = Agent::options().idle().start();

    // Lines reach their file a moment after they are said.
    let all = until("the first line to be written", PATIENCE, || {
        let output = agent.nexus(&["logs", "--source", "agent"]);
        stdout(&output)
            .contains("the agent starts")
            .then(|| stdout(&output))
    });
    let one: Value = serde_json::from_str(
        agent
            .ask(&["logs", "--grep", "the agent starts", "--json"])
            .lines()
            .next()
            .unwrap(),
    )
    .unwrap();
    let wrong = agent.nexus(&["logs", "--level", "loud"]);
    let home = agent.quit();

    assert!(all.contains("the agent starts"), "{all}");
    assert_eq!(one["source"], "agent");
    check(&wrong, 2, "", "loud");
    check(
        &nexus(&home, &["logs", "--grep", "the agent ends"]),
        0,
        "the agent ends",
        "",
    );
}

#[test]
fn the_doctor_says_what_needs_its_user() {
    let home = Home::new();
    home.settings("[opencode]\npath = \"/no/such/opencode\"\n");

    let output = nexus(&home, &["doctor", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!(output.status.code(), Some(4), "{found}");
    let verdict = |about: &str| {
        let checks = found["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["about"] == about);
        check.unwrap_or_else(|| panic!("{about}: {found}"))["verdict"].clone()
    };
    assert_eq!(verdict("folders"), "ok");
    assert_eq!(verdict("password"), "needs_you");
    assert_eq!(verdict("agent"), "note");
    assert_eq!(verdict("opencode"), "needs_you");
}

#[test]
fn the_doctor_only_looks() {
    let home = Home::new();
    home.settings("[gateway\nport = ");

    let output = nexus(&home, &["doctor"]);

    check(
        &output,
        4,
        "(line 1, column 9: unclosed table, expected `]`). Mend that line",
        "",
    );
    let file = home.nexus().join("settings.toml");
    assert_eq!(fs::read_to_string(file).unwrap(), "[gateway\nport = ");
}

#[test]
fn logs_are_followed_until_nobody_reads_them() {
    let agent = Agent::options().idle().start();
    agent.wait_for_log("the agent starts");
    let mut following = agent
        .command(&["logs", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = |text: &str| {
        lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains(text))
    };

    // What was said shortly before comes first, then what is said from now on.
    let before = next("the agent starts");
    agent.ask(&["password", "generate"]);
    let after = next("The password was changed");
    drop(lines);
    // The next line finds nobody who reads it.
    agent.quit();
    let ended = until("the command to end", PATIENCE, || following.try_wait().unwrap());

    assert!(before.is_some() && after.is_some());
    assert!(ended.success(), "{ended}");
}

#[test]
fn logs_are_shown_since_a_time() {
    let agent = Agent::options().idle().start();
    agent.wait_for_log("the agent starts");
    let home = agent.quit();
    let since = |time: &str| nexus(&home, &["logs", "--since", time, "--grep", "the agent starts"]);

    for time in ["1h", "2d", "2020-01-31", "2020-01-31T10:00:00Z"] {
        check(&since(time), 0, "the agent starts", "");
    }
    let later = since("2999-01-31T10:00:00Z");

    assert_eq!((later.status.code(), stdout(&later)), (Some(0), String::new()));
    check(&since("yesterday"), 2, "", "2026-01-31T10:00:00Z");
}
