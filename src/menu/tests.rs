use std::time::SystemTime;

use kit::{AgentFacts, ModuleId, Status, Verb};

use super::*;

const OPENCODE: ModuleId = ModuleId("opencode");

fn overview(states: &[(&'static str, State)]) -> Overview {
    Overview {
        agent: AgentFacts {
            version: "0.1.0",
            pid: 1,
            started_at: SystemTime::UNIX_EPOCH,
            is_headless: false,
            home: String::new(),
        },
        modules: states
            .iter()
            .map(|(id, state)| ModuleView {
                id: ModuleId(id),
                title: id,
                status: Status::new(*state, SystemTime::UNIX_EPOCH),
            })
            .collect(),
    }
}

fn parts() -> Vec<Part> {
    vec![
        Part {
            id: OPENCODE,
            entries: ["Start", "Stop", "Restart"].map(server).to_vec(),
        },
        Part {
            id: CHAT,
            entries: vec![Entry::Label("Waiting for you: 0".to_owned())],
        },
    ]
}

fn server(text: &str) -> Entry {
    item(text, Action::Call(OPENCODE, Verb::bare(&text.to_lowercase())))
}

#[test]
fn the_menu_is_a_value_of_the_state() {
    let menu = compute(
        &overview(&[("opencode", State::Healthy), ("logs", State::Running)]),
        parts(),
    );

    let label = |text: &str| Entry::Label(text.to_owned());
    let expected = Menu {
        icon: Icon {
            shape: Shape::Running,
            is_remote: false,
        },
        tooltip: "OpenCode Nexus: everything is running".to_owned(),
        entries: vec![
            label("opencode: Running"),
            label("Nothing else needs you"),
            Entry::Separator,
            item("Open chat", Action::Open("/chat".to_owned())),
            item("Open dashboard", Action::Open("/dashboard".to_owned())),
            label("Waiting for you: 0"),
            Entry::Separator,
            Entry::Submenu {
                text: "Server".to_owned(),
                entries: ["Start", "Stop", "Restart"].map(server).to_vec(),
            },
            Entry::Submenu {
                text: "More".to_owned(),
                entries: vec![
                    item("Open in browser", Action::OpenInBrowser("/chat".to_owned())),
                    item("Notices", Action::Open("/notices".to_owned())),
                    item("Logs", Action::Open("/logs".to_owned())),
                    item("Set up", Action::Open("/onboarding".to_owned())),
                    item("Help", Action::Open("/dashboard/help".to_owned())),
                ],
            },
            item("Quit", Action::Quit),
        ],
    };
    assert_eq!(menu, expected);
}

#[test]
fn the_icon_tells_the_worst_by_its_shape() {
    let check = |states: &[(&'static str, State)], shape, is_remote| {
        let found = compute(&overview(states), Vec::new()).icon;
        assert_eq!(found, Icon { shape, is_remote }, "{states:?}");
    };

    check(&[("opencode", State::Starting)], Shape::Starting, false);
    check(&[("opencode", State::Stopped)], Shape::Stopped, false);
    check(
        &[("opencode", State::Stopped), ("chat", State::Degraded)],
        Shape::Stopped,
        false,
    );
    check(
        &[("opencode", State::Healthy), ("chat", State::Degraded)],
        Shape::Warning,
        false,
    );
    check(&[("opencode", State::Backoff)], Shape::Warning, false);
    check(
        &[("opencode", State::Stopped), ("logs", State::Degraded)],
        Shape::Warning,
        false,
    );
    check(
        &[("opencode", State::Healthy), ("tunnel", State::Off)],
        Shape::Running,
        false,
    );
    check(
        &[("opencode", State::Healthy), ("tunnel", State::Connected)],
        Shape::Running,
        true,
    );
}

#[test]
fn every_state_has_the_same_lines() {
    let lines = |state| {
        let menu = compute(
            &overview(&[("opencode", state), ("logs", State::Running)]),
            parts(),
        );
        menu.entries.len()
    };
    let states = [
        State::Stopped,
        State::Starting,
        State::Healthy,
        State::Degraded,
        State::NeedsAction,
    ];

    let counts = states.map(lines);

    assert_eq!(counts, [10; 5]);
    assert!(counts[0] <= 14);
}

#[test]
fn long_texts_are_cut_in_the_middle() {
    let long = format!("begin {} end", "x".repeat(80));

    let text = cut(&long);

    assert_eq!(text.chars().count(), CHARS_MAX);
    assert!(text.starts_with("begin ") && text.ends_with(" end"), "{text}");
    assert_eq!(cut("short"), "short");
}
