//! What was done is written down, and what was written stays.

use serde_json::Value;
use sha2::{Digest, Sha256};
use store::Store;

use super::{PASSWORD, check, nexus, stdout};
use crate::harness::{Agent, Home, PATIENCE, until, with_input};

/// The lines of the audit log.
fn lines(home: &Home) -> Vec<Value> {
    let told = nexus(home, &["devices", "audit", "--json"]);
    stdout(&told)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line.get("error").is_none())
        .collect()
}

/// What each line tells, as `event member`.
fn events(home: &Home, member: &str) -> Vec<String> {
    let told = |line: &Value| format!("{} {}", line["event"].as_str().unwrap(), line[member]);
    lines(home).iter().map(told).collect()
}

#[test]
fn what_is_done_with_an_agent_and_without_one_is_in_one_chain() {
    let home = Home::new();
    check(
        &nexus(&home, &["devices", "audit"]),
        0,
        "",
        "Nothing was done yet.",
    );
    let agent = Agent::options().home(home).idle().start();
    let owner = agent.enter();
    let set = with_input(
        &mut agent.command(&["password", "set", "--stdin"]),
        &format!("{PASSWORD}\n"),
    );
    check(&set, 0, "", "");
    agent.ask(&["settings", "set", "logs.level", "error"]);
    agent.ask(&["settings", "set", "opencode.env.CANARY", "canary-value"]);
    agent.ask(&["settings", "set", "secrets.file", "true"]);
    let stored = with_input(
        &mut agent.command(&["secret", "set", "tunnel-token", "--stdin"]),
        "canary-token-4711\n",
    );
    check(&stored, 0, "", "");
    agent.ask(&["devices", "token", "backup\u{1b}[2J script"]);
    agent.nexus(&["tunnel", "start"]);
    let home = agent.quit();
    check(&nexus(&home, &["devices", "revoke", "--all"]), 0, "", "");
    check(
        &nexus(&home, &["settings", "set", "opencode.port", "0"]),
        0,
        "",
        "",
    );

    let found = events(&home, "key");
    for expected in [
        "ticket null",
        "password_set null",
        "setting \"logs.level\"",
        "setting \"opencode.env.CANARY\"",
        "secret_set null",
        "session null",
        "script_token null",
        "verb null",
        "revoke_all null",
        "setting \"opencode.port\"",
    ] {
        assert!(
            found.iter().any(|line| line == expected),
            "{expected}: {found:#?}"
        );
    }
    let all = lines(&home);
    let numbers: Vec<u64> = all.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert!(numbers.iter().copied().eq(1..=all.len() as u64), "{numbers:?}");
    let text = stdout(&nexus(&home, &["devices", "audit"]));
    assert!(
        !text.contains("canary-value") && !text.contains("canary-token") && !text.contains('\u{1b}'),
        "{text}"
    );
    assert!(text.contains("value error"), "{text}");
    assert!(
        text.contains("device backup"),
        "what a script is called stands there, and was cleaned: {text}"
    );
    let doctor = stdout(&nexus(&home, &["doctor"]));
    assert!(doctor.contains("each as it was written"), "{doctor}");
    drop(owner);
}

#[test]
fn a_line_that_was_changed_is_found() {
    let agent = Agent::options().idle().start();
    agent.ask(&["devices", "token", "one"]);
    agent.ask(&["devices", "token", "two"]);
    let home = agent.quit();
    let (store, _) = Store::open(&home.nexus().join("state.db"), std::time::SystemTime::now()).unwrap();
    let count = lines(&home).len();

    store
        .write_blocking(|db| db.execute("DELETE FROM gateway_audit WHERE seq = 2", []))
        .unwrap();
    drop(store);

    assert_eq!(lines(&home).len(), count - 1);
    check(&nexus(&home, &["devices", "audit"]), 4, "", "line 2 is missing");
    check(&nexus(&home, &["doctor"]), 4, "line 2 is missing", "");
}

#[test]
fn the_page_shows_the_newest_lines_and_exports_all() {
    let agent = Agent::options().idle().start();
    let owner = agent.enter();
    agent.ask(&["devices", "token", "<img src=x>"]);

    // Lines are written beside what they tell of.
    let page = until("the line to be written", PATIENCE, || {
        let page = owner.get("/devices/audit");
        page.body.contains("script token").then_some(page)
    });

    assert_eq!(page.status, 200);
    assert!(page.body.contains("each as it was written"), "{}", page.body);
    assert!(page.body.contains("&lt;img src=x&gt;"));
    assert!(!page.body.contains("<img src=x>"));
    let export = owner.get("/devices/audit/export");
    assert_eq!(export.status, 200);
    let mut lines = export
        .body
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut before = lines.next().unwrap()["hash"].as_str().unwrap().to_owned();
    assert_eq!(before, "0".repeat(64));
    let mut count = 0;
    for line in lines {
        let digest = Sha256::digest(format!("{before}{}", line["line"].as_str().unwrap()));
        before = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(line["hash"], before, "as README describes it");
        count += 1;
    }
    assert!(count >= 2);
    agent.quit();
}
