//! What the tray's menu says, and what can be chosen there, while opencode does not run.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::resident::Resident;
use crate::{
    harness::{Cloudflare, Desktop, Home, PATIENCE, opencode, until, with_input},
    supervision::stub_in,
};

/// What the story looks at: the first line, and the lines of the server's menu with whether they can be chosen.
fn server(agent: &Resident<'_>) -> (String, Vec<(String, bool)>) {
    let menu = agent.menu();
    let below = menu.iter().skip_while(|line| line.text != "Server").skip(1);
    let lines = below.take_while(|line| line.depth == 1);
    (
        menu[0].text.clone(),
        lines.map(|line| (line.text.clone(), line.is_enabled)).collect(),
    )
}

#[track_caller]
fn wait_for(agent: &Resident<'_>, first: &str, [start, stop, restart]: [bool; 3]) {
    let lines = [("Start", start), ("Stop", stop), ("Restart", restart)];
    let lines = lines.map(|(text, is_enabled)| (text.to_owned(), is_enabled));
    until(&format!("{first:?} and {lines:?}"), PATIENCE, || {
        let (said, found) = server(agent);
        (said == first && found == lines).then_some(())
    });
}

/// Everything that leads somewhere whatever opencode does, and can be chosen.
#[track_caller]
fn the_rest_can_be_chosen(agent: &Resident<'_>) {
    let menu = agent.menu();
    let others = [
        "Open chat",
        "Open dashboard",
        "Pause notifications",
        "Launch at login",
        "Open in browser",
        "Notices",
        "Logs",
        "Set up",
        "Help",
        "Quit",
    ];
    for text in others {
        let line = menu.iter().find(|line| line.text == text);
        assert!(line.is_some_and(|line| line.is_enabled), "{text}: {menu:#?}");
    }
}

/// A folder for opencode in which nothing is, named in the settings.
fn with_settings(home: &Home, more: &str) -> PathBuf {
    let path = home.path().join("bin").join("opencode");
    home.settings(&format!("[opencode]\npath = \"{}\"\n{more}", path.display()));
    path
}

/// Puts the real one there.
fn mend(home: &Home) {
    let path = home.path().join("bin").join("opencode");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let fresh = path.with_extension("new");
    fs::write(
        &fresh,
        format!("#!/bin/sh\nexec '{}' \"$@\"\n", opencode().display()),
    )
    .unwrap();
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(fresh, path).unwrap();
}

#[test]
fn of_a_stopped_server_only_the_start_can_be_chosen() {
    let desktop = Desktop::complete();
    let mut agent = Resident::start(&desktop, &["--background"]);

    wait_for(&agent, "opencode: Stopped", [true, false, false]);
    the_rest_can_be_chosen(&agent);
    agent.choose("Start");
    wait_for(&agent, "opencode: Running", [false, true, true]);
    agent.choose("Stop");
    wait_for(&agent, "opencode: Stopped", [true, false, false]);
    agent.choose("Help");
    agent.wait_for_window("Help");

    agent.choose("Quit");
    agent.ended();
    agent.assert_gone();
}

#[test]
fn a_server_given_up_after_a_crash_loop_can_be_started_stopped_and_restarted() {
    let desktop = Desktop::complete();
    let home = desktop.home();
    with_settings(home, "restart.max_failures = 2\nrestart.initial_delay_s = 0\n");
    stub_in(home, "exit=1 say=boom");
    let mut agent = Resident::start(&desktop, &["--background"]);

    wait_for(&agent, "opencode: Degraded", [true, true, true]);
    the_rest_can_be_chosen(&agent);
    agent.choose("Stop");
    wait_for(&agent, "opencode: Stopped", [true, false, false]);
    agent.choose("Start");
    wait_for(&agent, "opencode: Degraded", [true, true, true]);
    mend(home);
    agent.choose("Start");
    wait_for(&agent, "opencode: Running", [false, true, true]);

    agent.choose("Quit");
    agent.ended();
    agent.assert_gone();
}

#[test]
fn where_no_opencode_is_found_the_tray_needs_its_user_and_a_start_takes_up_a_new_one() {
    let desktop = Desktop::complete();
    let home = desktop.home();
    let path = with_settings(home, "");
    let mut agent = Resident::start(&desktop, &["--background"]);

    wait_for(&agent, "opencode: Needs you", [true, true, true]);
    the_rest_can_be_chosen(&agent);
    let reason = agent.status().unwrap()["modules"]["opencode"]["reason"].clone();
    assert!(
        reason.as_str().unwrap().contains(&path.display().to_string()),
        "{reason}"
    );
    mend(home);
    agent.choose("Start");
    wait_for(&agent, "opencode: Running", [false, true, true]);

    agent.choose("Quit");
    agent.ended();
    agent.assert_gone();
}

#[test]
fn remote_access_without_a_password_is_refused_in_the_tray_and_says_why() {
    let desktop = Desktop::complete();
    let cloudflare = Cloudflare::new(desktop.home(), "");
    let program = desktop.home().path().join("cloudflared/cloudflared");
    desktop.home().settings(&format!(
        "[opencode]\nautostart = false\nask = \"commands_and_edits\"\n[tunnel]\npath = \"{}\"\n[chat]\nprojects = [\"/tmp\"]",
        program.display()
    ));
    let mut agent = Resident::start(&desktop, &["--background"]);
    let wait_for_line = |text: &str| {
        until(&format!("the line {text:?}"), PATIENCE, || {
            agent.menu().iter().any(|line| line.text == text).then_some(())
        });
    };
    let is_on = || {
        let menu = agent.menu();
        let line = menu.iter().find(|line| line.text == "Reachable from outside");
        line.unwrap().is_marked
    };

    agent.choose("Reachable from outside");

    wait_for_line("Remote access: Blocked");
    assert!(!is_on());
    until("the reason to be told", PATIENCE, || {
        agent
            .ask(&["notices", "list"])
            .contains("`nexus password set`")
            .then_some(())
    });
    assert!(cloudflare.starts().is_empty(), "{:?}", cloudflare.starts());

    // With one it is the same press that opens it, and the next that shuts it.
    let mut set = desktop.home().nexus_command();
    set.args(["password", "set", "--stdin"]);
    assert!(with_input(&mut set, "a walrus plays the banjo").status.success());
    agent.choose("Reachable from outside");
    wait_for_line("Remote access: Connected");
    assert!(is_on());
    assert_eq!(cloudflare.starts().len(), 1);
    // A line that has just changed its meaning does not act.
    let changed = Instant::now();
    until("the line to have settled", PATIENCE, || {
        (changed.elapsed() > Duration::from_millis(1_100)).then_some(())
    });
    agent.choose("Reachable from outside");
    wait_for_line("Remote access: Off");

    agent.choose("Quit");
    agent.ended();
    agent.assert_gone();
}
