//! A desktop on which no window can be had: the page opens in the browser, and says why.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use serde_json::Value;

use super::resident::Resident;
use crate::harness::{Desktop, PATIENCE, until};

/// How often the browser was sent to a page.
fn opened(desktop: &Desktop) -> usize {
    let noted = fs::read_to_string(desktop.home().path().join("opened")).unwrap_or_default();
    noted.matches("</form>").count()
}

/// What was told of windows, newest first.
fn told(agent: &Resident<'_>) -> Vec<String> {
    let list: Value = serde_json::from_str(&agent.ask(&["notices", "list", "--json"])).unwrap();
    list.as_array()
        .unwrap()
        .iter()
        .filter(|notice| notice["title"] == "Opened in the browser")
        .map(|notice| notice["body"].as_str().unwrap().to_owned())
        .collect()
}

/// Puts a program of one line in the place of the one that shows windows.
fn put(folder: &Path, line: &str) {
    let program = folder.join("nexus-window");
    fs::write(&program, format!("#!/bin/sh\n{line}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_missing_window_program_is_named_and_the_browser_shows_the_page() {
    let mut desktop = Desktop::complete();
    let folder = desktop.install();
    let mut agent = Resident::start(&desktop, &["--background"]);
    let reason = format!(
        "The page is open in your browser, because {}/nexus-window is missing: install OpenCode Nexus again to have \
         windows.",
        folder.display()
    );

    let said = agent.ask(&["open", "dashboard"]);
    assert_eq!((said, opened(&desktop)), (reason.clone(), 1));
    until("it to be told", PATIENCE, || {
        (told(&agent) == [reason.clone()] && desktop.ask("dunstctl", &["count", "displayed"]) == "1")
            .then_some(())
    });
    // Whoever clicks in the tray sees no command's words, only the bubble.
    agent.choose("Open chat");
    until("the browser to be opened again", PATIENCE, || {
        (opened(&desktop) == 2).then_some(())
    });
    let second = desktop.home().nexus_command().arg("run").output().unwrap();
    let second = String::from_utf8(second.stderr).unwrap();

    assert_eq!(second.trim(), format!("An agent is running already. {reason}"));
    agent.ask(&["quit"]);
    agent.ended();
    agent.assert_gone();
}

#[test]
fn a_crashing_window_program_is_told_until_a_window_is_shown() {
    let mut desktop = Desktop::complete();
    let folder = desktop.install();
    let mut agent = Resident::start(&desktop, &["--background"]);
    let pid = agent.pid();
    // Before and after it has read what to show, and as the loader ends a program without its libraries.
    let crashes = [
        (
            "kill -SEGV $$",
            "the program that shows windows crashed (signal: 11 (SIGSEGV)",
        ),
        (
            "read line; kill -ABRT $$",
            "the program that shows windows crashed (signal: 6 (SIGABRT)",
        ),
        (
            "exit 127",
            "the web engine for windows is not installed: install `libwebkit2gtk-4.1-0` to have windows.",
        ),
    ];

    for (round, (line, reason)) in crashes.into_iter().enumerate() {
        put(&folder, line);
        let said = agent.ask(&["open", "dashboard"]);
        let expected = format!("The page is open in your browser, because {reason}");
        assert!(said.starts_with(&expected), "{line}: {said}");
        assert_eq!(opened(&desktop), round + 1, "{line}");
        until("it to be told", PATIENCE, || {
            (told(&agent).first() == Some(&said)).then_some(())
        });
    }
    let shown = || desktop.ask("dunstctl", &["count", "displayed"]);
    assert_eq!(shown(), "1", "one bubble for one matter");

    fs::remove_file(folder.join("nexus-window")).unwrap();
    let real = Path::new(env!("CARGO_BIN_EXE_nexus")).with_file_name("nexus-window");
    symlink(real, folder.join("nexus-window")).unwrap();
    assert_eq!(agent.ask(&["open", "dashboard"]), "");
    agent.wait_for_window("Dashboard");

    until("the bubble to go", PATIENCE, || (shown() == "0").then_some(()));
    assert_eq!((agent.pid(), opened(&desktop)), (pid, 3));
    agent.ask(&["quit"]);
    agent.ended();
    agent.assert_gone();
}
