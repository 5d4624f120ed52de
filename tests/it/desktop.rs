//! The program on a desktop: a real panel, a real bus, real windows.

mod bare;
mod chosen;
mod keyring;
mod resident;
mod told;
mod tray;
mod windowless;
mod windows;

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::harness::{Desktop, PATIENCE, Part, Pid, until};
use resident::{Resident, bin, settings, spawn, status};

#[test]
fn every_line_of_the_menu_does_what_it_says() {
    let desktop = Desktop::complete();
    let mut agent = Resident::start(&desktop, &["--background"]);

    let menu = agent.menu();
    let at_top: Vec<&str> = menu
        .iter()
        .filter(|line| line.depth == 0)
        .map(|line| line.text.as_str())
        .collect();
    let expected = [
        "opencode: Stopped",
        "Remote access: Off",
        "Nothing else needs you",
        "",
        "Open chat",
        "Open dashboard",
        "Waiting for you: 0",
        "Recent sessions",
        "",
        "Server",
        "Remote",
        "Pause notifications",
        "Launch at login",
        "More",
        "Quit",
    ];
    assert_eq!(at_top, expected);
    assert_eq!(
        desktop
            .windows()
            .iter()
            .filter(|title| title.contains("Nexus"))
            .count(),
        0
    );

    agent.choose("Open dashboard");
    agent.wait_for_window("Dashboard");
    agent.choose("Logs");
    agent.wait_for_window("Logs");
    agent.choose("Notices");
    agent.wait_for_window("Notices");
    agent.choose("Set up");
    agent.wait_for_window("Set up");
    agent.choose("Open chat");
    agent.wait_for_window("Sessions");

    agent.choose("Start");
    let state = || agent.status().unwrap()["modules"]["opencode"]["state"].clone();
    until("opencode to be healthy", PATIENCE, || {
        (state() == "healthy").then_some(())
    });
    let first = agent.status().unwrap()["modules"]["opencode"]["pid"].clone();
    agent.choose("Restart");
    until("opencode to be another", PATIENCE, || {
        let module = agent.status().unwrap()["modules"]["opencode"].clone();
        (module["state"] == "healthy" && module["pid"] != first).then_some(())
    });
    until("the menu to say so", PATIENCE, || {
        agent.menu()[0].text.eq("opencode: Running").then_some(())
    });
    agent.choose("Stop");
    until("opencode to be stopped", PATIENCE, || {
        (state() == "stopped").then_some(())
    });

    agent.choose("Launch at login");
    until("the mark to be set", PATIENCE, || {
        let menu = agent.menu();
        menu.iter()
            .any(|line| line.text == "Launch at login" && line.is_marked)
            .then_some(())
    });
    assert!(agent.ask(&["autostart", "status"]).contains("starts at login"));

    agent.choose("Open in browser");
    let opened = until("the browser to be opened", PATIENCE, || {
        let text = fs::read_to_string(desktop.home().path().join("opened")).ok()?;
        text.contains("</form>").then_some(text)
    });
    assert!(
        opened.starts_with("file://") && opened.contains("/enter\""),
        "{opened}"
    );
    let first = opened.lines().next().unwrap();
    assert!(
        !first.contains("ticket"),
        "a ticket stands in an argument: {first}"
    );

    agent.choose("Quit");
    assert!(agent.ended().success());
    agent.assert_gone();
}

#[test]
fn a_second_start_brings_the_window_of_the_first() {
    let desktop = Desktop::complete();
    let mut agent = Resident::start(&desktop, &["--background"]);
    agent.ask(&["open", "dashboard"]);
    agent.wait_for_window("Dashboard");
    let pid = agent.pid();

    let second = desktop.home().nexus_command().arg("run").output().unwrap();
    agent.wait_for_window("Set up");
    let began = Instant::now();
    let third = desktop.home().nexus_command().arg("run").output().unwrap();
    let took = began.elapsed();
    let titles = desktop.windows();
    let active = desktop.ask("xdotool", &["getactivewindow", "getwindowname"]);

    assert!(
        second.status.success() && third.status.success(),
        "{second:?} {third:?}"
    );
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(agent.pid(), pid);
    assert_eq!(
        titles.iter().filter(|title| title.contains("Set up")).count(),
        1,
        "{titles:?}"
    );
    assert!(active.contains("Set up"), "{active}");
    agent.ask(&["quit"]);
    agent.ended();
    agent.assert_gone();
}

#[test]
fn the_icon_appears_when_a_panel_does_and_again_after_it() {
    let mut desktop = Desktop::bare();
    desktop.add(Part::Windows);
    let mut child = spawn(&desktop, &["--background"]);
    let status = until("the agent to run", PATIENCE, || status(&desktop));
    let name = format!("org.kde.StatusNotifierItem-{}-1", status["agent"]["pid"]);

    for _ in 0..2 {
        desktop.add(Part::Panel);
        until("the icon to be in the tray", PATIENCE, || {
            let items = desktop.bus(&[
                "get-property",
                "org.kde.StatusNotifierWatcher",
                "/StatusNotifierWatcher",
                "org.kde.StatusNotifierWatcher",
                "RegisteredStatusNotifierItems",
            ]);
            items.contains(&name).then_some(())
        });
        desktop.remove(Part::Panel);
    }

    let quit = desktop.home().nexus_command().arg("quit").output().unwrap();
    assert!(quit.status.success(), "{quit:?}");
    until("the agent to end", PATIENCE, || child.try_wait().unwrap());
}

#[test]
fn without_bus_or_display_everything_else_works() {
    let desktop = Desktop::bare();
    for missing in [
        &["DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"][..],
        &["DISPLAY", "WAYLAND_DISPLAY"],
        &["DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"],
    ] {
        let home = desktop.home();
        home.settings(&settings());
        let began = Instant::now();
        let mut command = home.nexus_command();
        command.args(["run", "--background"]);
        for name in missing {
            command.env_remove(name);
        }
        let mut child = command
            .env("PATH", format!("{}:/usr/bin:/bin", bin(&desktop)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ask = |arguments: &[&str]| {
            let mut command = home.nexus_command();
            command.args(arguments).output().unwrap()
        };
        until("the agent to serve", Duration::from_secs(5), || {
            let output = ask(&["status", "--json"]);
            let status: Value = serde_json::from_slice(&output.stdout).ok()?;
            status["gateway"]["local_url"].as_str().map(str::to_owned)
        });
        println!("without {missing:?}: up after {:?}", began.elapsed());

        if missing.contains(&"DISPLAY") {
            let opened = ask(&["open", "dashboard"]);
            assert!(
                opened.status.success(),
                "the browser shows it instead: {opened:?}"
            );
        }
        if missing.contains(&"DBUS_SESSION_BUS_ADDRESS") {
            let began = Instant::now();
            let secrets = ask(&["secret", "list"]);
            assert_eq!(secrets.status.code(), Some(4), "{secrets:?}");
            assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        }
        assert!(ask(&["quit"]).status.success());
        let ended = until("the agent to end", PATIENCE, || child.try_wait().unwrap());
        assert!(ended.success(), "{missing:?}: {ended}");
        let log = fs::read_to_string(home.nexus().join("logs/agent.jsonl")).unwrap();
        let complaints = log
            .lines()
            .filter(|line| line.contains("\"warn\"") && line.contains("session bus"));
        if missing.contains(&"DBUS_SESSION_BUS_ADDRESS") {
            assert!(complaints.count() <= 2, "{log}");
        }
        fs::remove_dir_all(home.nexus().join("logs")).unwrap();
    }
}

#[test]
fn a_notice_opens_its_page_for_its_owner_alone() {
    let desktop = Desktop::complete();
    let mut agent = Resident::start(&desktop, &["--background"]);
    let shown = || desktop.ask("dunstctl", &["count", "displayed"]);
    agent.ask(&["password", "generate"]);
    until("the notice to be shown", PATIENCE, || {
        (shown() == "1").then_some(())
    });
    agent.ask(&["password", "generate"]);
    let log = || fs::read_to_string(desktop.home().nexus().join("logs/agent.jsonl")).unwrap();
    until("the second password to be told", PATIENCE, || {
        (log().matches("The password was changed").count() == 2).then_some(())
    });

    for number in 1..4 {
        desktop.bus(&[
            "emit",
            "/org/freedesktop/Notifications",
            "org.freedesktop.Notifications",
            "ActionInvoked",
            "us",
            &number.to_string(),
            "default",
        ]);
    }
    until("the forgery to be noticed", PATIENCE, || {
        (log().matches("pretended that a notice was clicked").count() == 3).then_some(())
    });
    let after_forgery = agent.window_processes();
    let count = shown();
    desktop.ask("dunstctl", &["action", "0"]);
    agent.wait_for_window("Nexus");

    assert_eq!(after_forgery, Vec::<Pid>::new());
    assert_eq!(count, "1", "one bubble per matter");
    agent.ask(&["quit"]);
    agent.ended();
    agent.assert_gone();
}
