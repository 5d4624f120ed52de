//! `nexus` and nothing else: an agent in the background, and its window.

use std::process::Stdio;

use super::resident::{program, status};
use crate::harness::{Desktop, PATIENCE, Processes, until};

#[test]
fn the_bare_command_starts_an_agent_that_outlives_it_and_shows_the_first_page() {
    let desktop = Desktop::complete();
    desktop.home().settings(&super::settings());
    let bare = || {
        let mut command = desktop.home().nexus_command();
        // Nothing of it may hold a pipe of its starter's: `output` would wait for that.
        let command = command.stdin(Stdio::null());
        command.output().unwrap()
    };

    let first = bare();
    let running = status(&desktop).unwrap();
    until("the first page to be shown", PATIENCE, || {
        let windows = desktop.windows();
        windows.iter().any(|title| title.contains("Set up")).then_some(())
    });
    let second = bare();
    let still = status(&desktop).unwrap();

    for output in [&first, &second] {
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            (output.stdout.as_slice(), output.stderr.as_slice()),
            (&b""[..], &b""[..])
        );
    }
    assert_eq!(still["agent"]["pid"], running["agent"]["pid"]);
    assert_eq!(running["agent"]["headless"], false);
    let quit = desktop.home().nexus_command().arg("quit").output().unwrap();
    assert!(quit.status.success(), "{quit:?}");
    until("everything of the agent to go", PATIENCE, || {
        let left = desktop.home().survivors();
        left.into_iter()
            .all(|pid| program(pid) != "nexus" || !Processes::is_alive(pid))
            .then_some(())
    });
}
