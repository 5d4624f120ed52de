//! What is chosen in the tray's menu about requests, sessions and notices.

use std::{
    fs,
    time::{Duration, Instant},
};

use fakes::model::Model;

use super::{
    resident::Resident,
    told::{Talk, with_model},
};
use crate::harness::{Desktop, PATIENCE, block_on, until};

/// How old a line of the menu has to be before it acts, and a little more.
const SETTLE: Duration = Duration::from_millis(1_100);

/// Waits until a line that came then acts when it is chosen.
fn settled(come: Instant) {
    until("the line to be old enough", PATIENCE, || {
        (come.elapsed() >= SETTLE).then_some(())
    });
}

#[test]
fn requests_are_answered_and_sessions_opened_from_the_menu() {
    let desktop = Desktop::complete();
    let model = block_on(Model::start(0)).unwrap();
    with_model(&desktop, &model);
    let mut agent = Resident::start(&desktop, &["--background"]);
    let talk = Talk::begin(&agent, &desktop);
    let ran = desktop.home().project("shop").join("ran");
    let prompt = |name: &str| {
        talk.prompt(&format!(
            "Go [[tool:bash {{\"command\":\"echo {name} >> ran\",\"description\":\"{name}\"}}]] [[text:finished {name}]]"
        ));
        until("the menu to name the request", PATIENCE, || {
            let menu = agent.menu();
            let is_named = menu
                .iter()
                .any(|line| line.text.contains(&format!("echo {name}")));
            (is_named && menu.iter().any(|line| line.text == "Waiting for you: 1")).then_some(())
        });
    };
    let nothing_waits = || {
        until("nothing to wait any more", PATIENCE, || {
            let menu = agent.menu();
            let is_empty = menu.iter().any(|line| line.text == "Waiting for you: 0");
            (is_empty && talk.waiting().is_empty()).then_some(())
        });
    };

    prompt("first");
    // The line has only just come: a click may have been meant for what stood there before.
    let come = Instant::now();
    agent.choose("Allow once");
    agent.wait_for_window("Sessions");
    assert_eq!(talk.waiting().len(), 1, "a line that had just come acted");
    settled(come);
    agent.choose("Allow once");
    until("the answer", PATIENCE, || {
        // Once in the prompt, once in the answer.
        (talk.said().matches("finished first").count() >= 2).then_some(())
    });
    nothing_waits();
    assert_eq!(fs::read_to_string(&ran).unwrap(), "first\n");

    prompt("second");
    settled(Instant::now());
    agent.choose("Reject");
    nothing_waits();
    assert_eq!(
        fs::read_to_string(&ran).unwrap(),
        "first\n",
        "it ran although it was rejected"
    );

    until("the session to be among the recent ones", PATIENCE, || {
        agent
            .menu()
            .iter()
            .any(|line| line.text == "Deploy")
            .then_some(())
    });
    agent.choose("Deploy");
    agent.wait_for_window("Deploy");

    agent.choose("Pause notifications");
    until("the mark to be set", PATIENCE, || {
        let menu = agent.menu();
        let mut lines = menu.iter();
        lines
            .any(|line| line.text == "Pause notifications" && line.is_marked)
            .then_some(())
    });
    settled(Instant::now());
    agent.choose("Pause notifications");
    until("the mark to be gone", PATIENCE, || {
        let menu = agent.menu();
        let mut lines = menu.iter();
        lines
            .any(|line| line.text == "Pause notifications" && !line.is_marked)
            .then_some(())
    });
    agent.choose("Quit");
    agent.ended();
    agent.assert_gone();
}
