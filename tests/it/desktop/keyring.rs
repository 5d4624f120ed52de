//! Secrets in the desktop's own keyring.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use super::resident::Resident;
use crate::harness::Desktop;

#[test]
fn secrets_are_kept_in_the_keyring() {
    let desktop = Desktop::complete();
    let mut agent = Resident::start(&desktop, &["--background"]);
    let mut set = desktop.home().nexus_command();
    set.args(["secret", "set", "tunnel-token", "--stdin"]);
    let mut set = set.stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut set.stdin.take().unwrap(), b"canary-8152\n").unwrap();
    assert!(set.wait().unwrap().success());

    let names = agent.ask(&["secret", "list"]);
    let held = desktop.ask("secret-tool", &["lookup", "username", "tunnel-token"]);
    agent.ask(&["secret", "delete", "tunnel-token"]);
    let none = agent.ask(&["secret", "list"]);
    agent.ask(&["quit"]);
    agent.ended();

    assert_eq!(
        (names.as_str(), held.as_str(), none.as_str()),
        ("tunnel-token", "canary-8152", "")
    );
    let found = std::process::Command::new("grep")
        .args(["-r", "-l", "canary-8152"])
        .arg(desktop.home().nexus())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[test]
fn a_locked_keyring_is_said_within_three_seconds() {
    let desktop = Desktop::complete();
    let mut agent = Resident::start(&desktop, &["--background"]);
    let mut set = desktop.home().nexus_command();
    set.args(["secret", "set", "tunnel-token", "--stdin"]);
    let mut set = set.stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut set.stdin.take().unwrap(), b"canary-8152\n").unwrap();
    assert!(set.wait().unwrap().success());

    desktop.ask(
        "gdbus",
        &[
            "call",
            "--session",
            "--dest",
            "org.freedesktop.secrets",
            "--object-path",
            "/org/freedesktop/secrets",
            "--method",
            "org.freedesktop.Secret.Service.Lock",
            "['/org/freedesktop/secrets/collection/login']",
        ],
    );
    let began = Instant::now();
    let mut list = desktop.home().nexus_command();
    let output = list.args(["secret", "list"]).output().unwrap();
    let took = began.elapsed();
    agent.ask(&["quit"]);
    agent.ended();

    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("locked"),
        "{output:?}"
    );
    assert!(took < Duration::from_millis(3_500), "{took:?}");
    let found = std::process::Command::new("grep")
        .args(["-r", "-l", "canary-8152"])
        .arg(desktop.home().nexus())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}
