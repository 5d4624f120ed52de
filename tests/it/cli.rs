//! The command line is a promise to scripts: every verb, its output and its exit status.

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Agent, Home, PATIENCE, Processes, until};

const PASSWORD: &str = "seven quiet otters paint the harbour";

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

fn nexus(home: &Home, arguments: &[&str]) -> Output {
    run(home.nexus_command().args(arguments))
}

fn with_input(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
}

#[track_caller]
fn check(output: &Output, code: i32, out: &str, err: &str) {
    let found = (output.status.code(), stdout(output), stderr(output));
    assert!(
        found.0 == Some(code) && found.1.contains(out) && found.2.contains(err),
        "expected {code}, {out:?} and {err:?}: {found:?}"
    );
}

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
fn without_an_agent_questions_to_it_end_with_3() {
    let home = Home::new();

    for question in [
        &["status"][..],
        &["open"],
        &["open", "--print-url"],
        &["quit"],
        &["server", "restart"],
    ] {
        check(&nexus(&home, question), 3, "", "No agent is running.");
    }
    let output = nexus(&home, &["status", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!(answer["error"]["code"], "no_agent");
    assert_eq!((output.status.code(), stderr(&output)), (Some(3), String::new()));
}

#[test]
fn a_mistyped_command_ends_with_2_and_says_what_is_wrong() {
    let home = Home::new();

    check(&nexus(&home, &["stauts"]), 2, "", "stauts");
    check(&nexus(&home, &["settings", "get"]), 2, "", "KEY");
    check(&nexus(&home, &["settings", "get", "no.such"]), 2, "", "no.such");
    check(
        &nexus(&home, &["settings", "set", "gateway.port", "many"]),
        2,
        "",
        "gateway.port",
    );
    check(
        &nexus(&home, &["logs", "--source", "opencoed"]),
        2,
        "",
        "cloudflared",
    );
    check(&nexus(&home, &["--version"]), 0, env!("CARGO_PKG_VERSION"), "");
    check(&nexus(&home, &["help"]), 0, "settings", "");
}

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

    assert!(logged.contains("could not be understood"), "{logged}");
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
fn a_password_comes_from_standard_input_and_logs_everybody_out() {
    let agent = Agent::options().idle().start();
    let owner = agent.enter();
    assert_eq!(owner.get("/dashboard").status, 200);

    let weak = with_input(agent.command(&["password", "set", "--stdin"]), "secret\n");
    let set = with_input(
        agent.command(&["password", "set", "--stdin"]),
        &format!("{PASSWORD}\n"),
    );
    let after = owner.get("/dashboard").status;
    let generated = agent.ask(&["password", "generate"]);
    let home = agent.quit();

    check(&weak, 4, "", "");
    check(&set, 0, "", "The password is set.");
    assert_ne!(after, 200);
    assert!(generated.split('-').count() >= 6, "{generated}");
    let offline = with_input(
        {
            let mut command = home.nexus_command();
            command.args(["password", "set", "--stdin"]);
            command
        },
        &format!("{PASSWORD}\n"),
    );
    check(&offline, 0, "", "The password is set.");
}

#[test]
fn devices_are_listed_named_and_revoked() {
    let agent = Agent::options().idle().start();
    let owner = agent.enter();

    let token = agent.ask(&["devices", "token", "backup script"]);
    let list: Vec<Value> = serde_json::from_str(&agent.ask(&["devices", "list", "--json"])).unwrap();
    let script = list
        .iter()
        .find(|entry| entry["device"] == "backup script")
        .unwrap_or_else(|| panic!("{list:?}"));
    let unknown = agent.nexus(&["devices", "revoke", "nobody"]);
    agent.ask(&["devices", "revoke", script["id"].as_str().unwrap()]);
    let left = agent.ask(&["devices", "list"]);
    agent.ask(&["devices", "revoke", "--all"]);

    assert!(
        token.len() > 30 && !token.contains(char::is_whitespace),
        "{token}"
    );
    assert_eq!(list.len(), 2, "{list:?}");
    check(&unknown, 1, "", "nobody");
    assert!(!left.contains("backup script"), "{left}");
    assert_ne!(owner.get("/dashboard").status, 200);
    agent.quit();
}

#[test]
fn without_a_keyring_a_secret_needs_consent_to_a_file() {
    let agent = Agent::options().idle().start();
    let began = Instant::now();

    let refused = with_input(
        agent.command(&["secret", "set", "tunnel-token", "--stdin"]),
        "canary-4711\n",
    );
    let took = began.elapsed();
    agent.ask(&["settings", "set", "secrets.file", "true"]);
    let stored = with_input(
        agent.command(&["secret", "set", "tunnel-token", "--stdin"]),
        "canary-4711\n",
    );
    let names = agent.ask(&["secret", "list"]);
    agent.ask(&["secret", "delete", "tunnel-token"]);
    let none = agent.ask(&["secret", "list"]);
    let home = agent.quit();

    check(&refused, 4, "", "No keyring was found");
    assert!(took < Duration::from_secs(4), "{took:?}");
    check(&stored, 0, "", "");
    assert_eq!((names.as_str(), none.as_str()), ("tunnel-token", ""));
    let found = Command::new("grep")
        .args(["-r", "-l", "canary-4711"])
        .arg(home.path())
        .output()
        .unwrap();
    assert_eq!(stdout(&found), "");
}

#[test]
fn launch_at_login_is_an_entry_the_desktop_honours() {
    let agent = Agent::options().idle().start();
    let entry = agent
        .home()
        .environment()
        .iter()
        .find(|(name, _)| name == "XDG_CONFIG_HOME")
        .map(|(_, folder)| std::path::Path::new(folder).join("autostart"))
        .unwrap();

    let before = agent.ask(&["autostart", "status"]);
    agent.ask(&["autostart", "on"]);
    let files: Vec<_> = fs::read_dir(&entry)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    let valid = Command::new("desktop-file-validate")
        .args(&files)
        .output()
        .unwrap();
    let text = fs::read_to_string(&files[0]).unwrap();
    agent.ask(&["autostart", "off"]);
    let home = agent.quit();

    assert!(before.contains("does not start"), "{before}");
    check(&valid, 0, "", "");
    assert!(text.contains("run") && text.contains("--background"), "{text}");
    assert_eq!(fs::read_dir(&entry).unwrap().count(), 0);
    check(&nexus(&home, &["autostart", "status"]), 0, "does not start", "");
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

    check(&output, 4, "Mend it", "");
    let file = home.nexus().join("settings.toml");
    assert_eq!(fs::read_to_string(file).unwrap(), "[gateway\nport = ");
}

#[test]
fn completions_know_the_verbs_of_the_modules() {
    let home = Home::new();

    for shell in ["bash", "zsh", "fish"] {
        check(&nexus(&home, &["completions", shell]), 0, "autostart", "");
    }
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
