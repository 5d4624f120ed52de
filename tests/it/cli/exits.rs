//! Exit statuses: 0 done, 1 failed, 2 usage, 3 no agent is running, 4 the user has to do something.

use serde_json::Value;

use super::{check, nexus, stderr, stdout};
use crate::harness::{Agent, Home};

#[test]
fn without_an_agent_questions_to_it_end_with_3() {
    let home = Home::new();

    for question in [
        &["status"][..],
        &["open"],
        &["open", "--print-url"],
        &["quit"],
        &["server", "restart"],
    ] {
        check(&nexus(&home, question), 3, "", "No agent is running.");
    }
    let output = nexus(&home, &["status", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!(answer["error"]["code"], "no_agent");
    assert_eq!((output.status.code(), stderr(&output)), (Some(3), String::new()));
}

#[test]
fn a_mistyped_command_ends_with_2_and_says_what_is_wrong() {
    let home = Home::new();

    check(&nexus(&home, &["stauts"]), 2, "", "stauts");
    check(&nexus(&home, &["settings", "get"]), 2, "", "KEY");
    check(&nexus(&home, &["settings", "get", "no.such"]), 2, "", "no.such");
    check(
        &nexus(&home, &["settings", "set", "gateway.port", "many"]),
        2,
        "",
        "gateway.port",
    );
    check(
        &nexus(&home, &["logs", "--source", "opencoed"]),
        2,
        "",
        "cloudflared",
    );
    check(&nexus(&home, &["--version"]), 0, env!("CARGO_PKG_VERSION"), "");
    check(&nexus(&home, &["help"]), 0, "settings", "");
}

#[test]
fn completions_know_the_verbs_of_the_modules() {
    let home = Home::new();

    for shell in ["bash", "zsh", "fish"] {
        check(&nexus(&home, &["completions", shell]), 0, "autostart", "");
    }
}

/// What is typed, and the status it ends with: without an agent, and with one that runs no opencode.
const STATUSES: &[(&[&str], u8, u8)] = &[
    (&["status"], 3, 0),
    (&["open"], 3, 4),
    (&["open", "dashboard"], 3, 4),
    (&["open", "--print-url"], 3, 0),
    (&["open", "No such page", "--print-url"], 3, 2),
    (&["server", "status"], 3, 0),
    (&["server", "history"], 3, 0),
    (&["server", "start"], 3, 4),
    (&["server", "start", "--no-wait"], 3, 0),
    (&["server", "restart"], 3, 4),
    (&["server", "stop"], 3, 0),
    (&["server", "leave"], 2, 2),
    (&["notices", "list"], 3, 0),
    (&["notices", "read"], 3, 0),
    (&["notices", "pause"], 3, 0),
    (&["notices", "resume"], 3, 0),
    (&["settings", "list"], 0, 0),
    (&["settings", "path"], 0, 0),
    (&["settings", "get", "opencode.port"], 0, 0),
    (&["settings", "get", "no.such"], 2, 2),
    (&["settings", "set", "opencode.port", "0"], 0, 0),
    (&["settings", "set", "opencode.port", "many"], 2, 2),
    (&["settings", "reset", "opencode.port"], 0, 0),
    (&["autostart", "status"], 0, 0),
    (&["autostart", "on"], 0, 0),
    (&["autostart", "off"], 0, 0),
    (&["devices", "list"], 0, 0),
    (&["devices", "token", "script"], 0, 0),
    (&["devices", "token"], 2, 2),
    (&["devices", "pair"], 3, 4),
    (&["devices", "audit"], 0, 0),
    (&["devices", "totp", "status"], 0, 0),
    // There is no keyring for it.
    (&["devices", "totp", "on"], 3, 4),
    (&["devices", "totp", "codes"], 1, 1),
    (&["devices", "totp", "off"], 0, 0),
    (&["tunnel", "qr"], 3, 4),
    (&["devices", "revoke", "nobody"], 1, 1),
    (&["devices", "revoke", "--all"], 0, 0),
    // No keyring is there, and nobody has agreed to a file.
    (&["secret", "list"], 4, 4),
    (&["secret", "delete", "tunnel-token"], 4, 4),
    (&["logs"], 0, 0),
    (&["logs", "--level", "loud"], 2, 2),
    (&["logs", "--since", "1h"], 0, 0),
    (&["logs", "--since", "yesterday"], 2, 2),
    (&["logs", "--grep", "("], 2, 2),
    // opencode is missing.
    (&["doctor"], 4, 4),
    (&["password", "set", "--stdin"], 2, 2),
    (&["password", "generate"], 0, 0),
    (&["completions", "bash"], 0, 0),
    (&["completions", "tcsh"], 2, 2),
    (&["help"], 0, 0),
    (&["--version"], 0, 0),
    (&["stauts"], 2, 2),
    (&["quit"], 3, 0),
];

/// What each failure is called where it is written for programs.
fn names(status: u8) -> &'static [&'static str] {
    match status {
        1 => &["failed", "refused"],
        2 => &["usage"],
        3 => &["no_agent"],
        _ => &["needs_user", "busy"],
    }
}

#[test]
fn every_command_ends_with_the_status_that_was_promised() {
    let home = Home::new();
    home.settings("[opencode]\nautostart = false\npath = \"/no/such/opencode\"\n");
    let mut wrong = Vec::new();
    let mut look = |home: &Home, words: &[&str], expected: u8| {
        let plain = nexus(home, words);
        let (out, err) = (stdout(&plain), stderr(&plain));
        let has_said = expected == 0 || words == ["doctor"] || (out.is_empty() && !err.is_empty());
        if plain.status.code() != Some(expected.into()) || !has_said {
            wrong.push(format!("{words:?} is not {expected}: {plain:?}"));
        }
        // The findings of `doctor` are its answer, not a failure.
        if expected != 0 && words != ["doctor"] {
            let told = nexus(home, &[words, &["--json"]].concat());
            let answer: Value = serde_json::from_str(&stdout(&told)).unwrap_or_default();
            let name = answer["error"]["code"].as_str().unwrap_or_default();
            if told.status.code() != plain.status.code() || !names(expected).contains(&name) {
                wrong.push(format!("{words:?} with --json is not {expected}: {told:?}"));
            }
        }
    };

    for (words, without, _) in STATUSES {
        look(&home, words, *without);
    }
    let agent = Agent::options().home(home).start();
    for (words, _, with) in STATUSES {
        look(agent.home(), words, *with);
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut agent = agent;
    assert!(agent.ended().success());
}
