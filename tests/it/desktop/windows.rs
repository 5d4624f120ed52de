//! Windows come, go, crash and come back; the agent does not notice.

use super::resident::{Resident, WINDOW_WAIT, program, spawn, status};
use crate::harness::{Desktop, PATIENCE, Pid, Processes, until};

#[test]
fn windows_come_and_go_and_give_everything_back() {
    const CYCLES: u32 = 50;
    let desktop = Desktop::complete();
    let mut agent = Resident::start(&desktop, &["--background"]);
    let pid = agent.pid();
    let cycle = || {
        agent.ask(&["open", "dashboard"]);
        agent.wait_for_window("Dashboard");
        desktop.ask("wmctrl", &["-c", "Dashboard"]);
        agent.wait_for_no_window();
        until("the window's processes to go", WINDOW_WAIT, || {
            agent.window_processes().is_empty().then_some(())
        });
    };
    // The first ones fill caches that are kept on purpose.
    cycle();
    cycle();
    let before = Processes::pss_kib(pid);

    for _ in 0..CYCLES {
        cycle();
    }

    let after = Processes::pss_kib(pid);
    println!("{CYCLES} windows: {before} KiB before, {after} KiB after");
    assert!(after < before + 2048, "{before} KiB before, {after} KiB after");
    assert_eq!(agent.pid(), pid);
    agent.ask(&["quit"]);
    agent.ended();
    agent.assert_gone();
}

#[test]
fn a_page_that_crashes_is_loaded_again_and_harms_nobody() {
    let desktop = Desktop::complete();
    let mut agent = Resident::start(&desktop, &["--background"]);
    agent.ask(&["open", "dashboard"]);
    agent.wait_for_window("Dashboard");
    let pid = agent.pid();
    let pages = || -> Vec<Pid> {
        let all = agent.window_processes();
        all.into_iter()
            .filter(|pid| program(*pid) == "WebKitWebProcess")
            .collect()
    };
    let killed = until("the page's process", PATIENCE, || pages().first().copied());

    Processes::signal(killed, "KILL");
    until("another process for the page", WINDOW_WAIT, || {
        pages().iter().any(|pid| *pid != killed).then_some(())
    });
    agent.wait_for_window("Dashboard");

    assert_eq!(agent.pid(), pid);
    agent.ask(&["quit"]);
    agent.ended();
    agent.assert_gone();
}

#[test]
fn a_window_comes_back_where_it_was() {
    let desktop = Desktop::complete();
    let mut agent = Resident::start(&desktop, &["--background"]);
    agent.ask(&["open", "dashboard"]);
    agent.wait_for_window("Dashboard");
    // A look at all windows fails when one of them goes at that moment.
    let has_size = || {
        let found = desktop.output("xdotool", &["search", "--name", "Dashboard", "getwindowgeometry"]);
        String::from_utf8_lossy(&found.stdout)
            .contains("700x500")
            .then_some(())
    };

    desktop.ask("wmctrl", &["-r", "Dashboard", "-e", "0,200,120,700,500"]);
    until("the window to be moved", PATIENCE, has_size);
    desktop.ask("wmctrl", &["-c", "Dashboard"]);
    agent.wait_for_no_window();
    agent.ask(&["open", "dashboard"]);
    agent.wait_for_window("Dashboard");

    until("the window to be as it was", PATIENCE, has_size);
    agent.ask(&["quit"]);
    agent.ended();
}

#[test]
fn the_display_may_go_without_taking_the_agent_along() {
    let mut desktop = Desktop::complete();
    let mut child = spawn(&desktop, &["--background"]);
    let before = until("the agent to run", PATIENCE, || {
        status(&desktop).filter(|status| status["gateway"]["local_url"].is_string())
    });
    let mut open = desktop.home().nexus_command();
    assert!(open.args(["open", "dashboard"]).status().unwrap().success());
    let windows = |desktop: &Desktop| {
        let all = desktop.home().survivors();
        all.into_iter()
            .filter(|pid| program(*pid) == "nexus-window")
            .count()
    };
    assert_eq!(windows(&desktop), 1);

    desktop.remove_display();
    until("the window's process to go with its display", PATIENCE, || {
        (windows(&desktop) == 0).then_some(())
    });
    let after = status(&desktop).unwrap();
    let mut quit = desktop.home().nexus_command();
    assert!(quit.arg("quit").status().unwrap().success());
    let ended = until("the agent to end", PATIENCE, || child.try_wait().unwrap());

    assert_eq!(after["agent"]["pid"], before["agent"]["pid"]);
    assert_eq!(after["modules"]["gateway"]["state"], "running");
    assert!(ended.success());
}
