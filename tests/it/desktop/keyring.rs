//! Secrets in the desktop's own keyring.

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::resident::Resident;
use crate::harness::{Cloudflare, Desktop, PATIENCE, Processes, until, with_input};

/// Unlocks the keyring as the desktop's login does, without a question.
const UNLOCK: &str = r#"
import dbus
bus = dbus.SessionBus()
service = bus.get_object("org.freedesktop.secrets", "/org/freedesktop/secrets")
_, session = service.OpenSession("plain", "", dbus_interface="org.freedesktop.Secret.Service")
words = (session, dbus.ByteArray(b""), dbus.ByteArray(b"the password of this session"), "text/plain")
service.UnlockWithMasterPassword("/org/freedesktop/secrets/collection/login", words,
    dbus_interface="org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface")
"#;
/// A question of the keyring to its owner, as the bus carries it.
const QUESTION: &str = "type='method_call',interface='org.freedesktop.Secret.Prompt',member='Prompt'";

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn lock(desktop: &Desktop) {
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
}

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

    lock(&desktop);
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

#[test]
fn a_locked_keyring_holds_remote_access_back_until_it_is_unlocked() {
    let desktop = Desktop::complete();
    let home = desktop.home();
    let cloudflare = Cloudflare::new(home, "");
    let port = free_port();
    home.settings(&format!(
        "[opencode]\nautostart = false\nask = \"commands_and_edits\"\n[chat]\nprojects = [\"/tmp\"]\n\
         [tunnel]\npath = \"{}\"\nmode = \"token\"\nport = {port}\n",
        home.path().join("cloudflared/cloudflared").display()
    ));
    let mut agent = Resident::start(&desktop, &["--background"]);
    let ingress = json!([{"hostname": "nexus.example.com", "service": format!("http://127.0.0.1:{port}")}, {"service": "http_status:404"}]);
    let made = cloudflare.say(
        "/tunnels",
        &json!({"hosts": ["nexus.example.com"], "ingress": ingress}),
    );
    for (arguments, input) in [
        (
            ["password", "set", "--stdin"].as_slice(),
            "a walrus plays the banjo",
        ),
        (
            &["secret", "set", "tunnel-token", "--stdin"],
            made["token"].as_str().unwrap(),
        ),
    ] {
        let mut set = home.nexus_command();
        assert!(with_input(set.args(arguments), input).status.success());
    }
    let questions = home.path().join("questions");
    let mut listening = desktop.command("dbus-monitor");
    let mut listening = listening
        .args(["--session", "--profile", QUESTION])
        .stdout(fs::File::create(&questions).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    lock(&desktop);
    let shown = || -> Value { agent.status().unwrap()["modules"]["tunnel"].clone() };

    let began = Instant::now();
    let asked = home.nexus_command().args(["tunnel", "start"]).output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(asked.status.code(), Some(4), "{asked:?}");
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(said.contains("the keyring is locked"), "{said}");

    // Long enough for it to have looked again.
    until("it to have looked again", PATIENCE, || {
        (began.elapsed() > Duration::from_millis(6_500)).then_some(())
    });
    let held = shown();
    assert_eq!(held["state"], "needs_action", "{held}");
    assert!(held["reason"].as_str().unwrap().contains("locked"), "{held}");
    let asked: Vec<String> = fs::read_to_string(&questions)
        .unwrap()
        .lines()
        .filter(|line| line.contains("org.freedesktop.Secret.Prompt"))
        .map(str::to_owned)
        .collect();
    assert_eq!(asked.len(), 1, "its owner is asked once: {asked:#?}");
    assert!(cloudflare.starts().is_empty());

    desktop.ask("/usr/bin/python3", &["-c", UNLOCK]);
    let since = Instant::now();
    until("remote access to go on", Duration::from_secs(10), || {
        (shown()["state"] == "connected").then_some(())
    });
    println!("on again {:?} after the keyring was unlocked", since.elapsed());
    assert_eq!(cloudflare.starts().len(), 1);

    Processes::signal(listening.id(), "TERM");
    listening.wait().unwrap();
    agent.ask(&["quit"]);
    agent.ended();
    agent.assert_gone();
}
