//! What is its owner's alone: the password, devices, secrets, launch at login.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use serde_json::Value;

use super::{PASSWORD, check, nexus, stdout};
use crate::harness::{Agent, with_input};

#[test]
fn a_password_comes_from_standard_input_and_logs_everybody_out() {
    let agent = Agent::options().idle().start();
    let owner = agent.enter();
    assert_eq!(owner.get("/dashboard").status, 200);

    let weak = with_input(&mut agent.command(&["password", "set", "--stdin"]), "secret\n");
    let set = with_input(
        &mut agent.command(&["password", "set", "--stdin"]),
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
        home.nexus_command().args(["password", "set", "--stdin"]),
        &format!("{PASSWORD}\n"),
    );
    check(&offline, 0, "", "The password is set.");
}

#[test]
fn a_second_factor_is_set_up_with_the_first_code_of_an_app() {
    let agent = Agent::options().idle().start();
    agent.ask(&["settings", "set", "secrets.file", "true"]);
    let mut child = agent
        .command(&["devices", "totp", "on"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.as_mut().unwrap())
        .read_line(&mut said)
        .unwrap();
    let seed = totp_rs::Secret::try_from_base32(said.trim_end().rsplit(' ').next().unwrap()).unwrap();
    let app = totp_rs::Builder::new().with_secret(seed).build().unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let code = app.generate(now.as_secs()).to_string();
    writeln!(child.stdin.take().unwrap(), "{code}").unwrap();
    let on = child.wait_with_output().unwrap();

    check(&on, 0, "", "");
    assert_eq!(stdout(&on).lines().count(), 10, "{on:?}");
    check(
        &agent.nexus(&["devices", "totp", "status"]),
        0,
        "10 recovery codes",
        "",
    );
    let doctor = agent.nexus(&["doctor"]);
    assert!(stdout(&doctor).contains("asks for a code"), "{doctor:?}");
    let home = agent.quit();
    // The seed is gone: everybody outside is kept out, which is said, and ended at the machine.
    check(&nexus(&home, &["secret", "delete", "totp"]), 0, "", "");
    check(
        &nexus(&home, &["doctor"]),
        4,
        "Nobody can log in from outside",
        "",
    );
    check(
        &nexus(&home, &["devices", "totp", "off"]),
        0,
        "password alone",
        "",
    );
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
        &mut agent.command(&["secret", "set", "tunnel-token", "--stdin"]),
        "canary-4711\n",
    );
    let took = began.elapsed();
    agent.ask(&["settings", "set", "secrets.file", "true"]);
    let stored = with_input(
        &mut agent.command(&["secret", "set", "tunnel-token", "--stdin"]),
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
