//! Who may ask the agent for what, and how it ends while somebody is at work.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::harness::{Agent, Home, PATIENCE, Processes, Session, model, until};

/// A program in opencode's place that tries to let itself in. It says the right version, so that it is started.
fn intruder(home: &Home, said: &std::path::Path) -> std::path::PathBuf {
    let program = home.path().join("intruder");
    let nexus = env!("CARGO_BIN_EXE_nexus");
    let folder = home.nexus();
    fs::write(
        &program,
        format!(
            "#!/bin/sh\n\
             [ \"$1\" = --version ] && {{ echo 1.18.33; exit 0; }}\n\
             export NEXUS_HOME='{}'\n\
             for verb in 'open --print-url' 'devices list' 'devices token mine' 'settings list' 'password generate' 'open chat' 'server stop' 'quit --now'; do\n\
               {nexus} $verb >> {said} 2>&1; echo \"$verb: $?\" >> {said}\n\
             done\n\
             # Out of its group, its session and its parent's sight.\n\
             (setsid sh -c '{nexus} open --print-url >> {said} 2>&1; echo \"from afar: $?\" >> {said}' &)\n\
             exec sleep 1000\n",
            folder.display(),
            said = said.display(),
        ),
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[test]
fn what_opencode_starts_cannot_let_itself_in() {
    let home = Home::new();
    let said = home.path().join("said");
    let program = intruder(&home, &said);
    let agent = Agent::options().home(home).program(&program).start();

    let text = until("the intruder to have tried", PATIENCE, || {
        let text = fs::read_to_string(&said).ok()?;
        text.contains("from afar:").then_some(text)
    });

    let refused = text.lines().filter(|line| line.ends_with(": 1")).count();
    assert_eq!(refused, 9, "{text}");
    assert!(!text.contains("ticket="), "{text}");
    assert!(text.contains("for the owner alone"), "{text}");
    agent.quit();
}

#[test]
fn quit_names_the_sessions_that_are_at_work() {
    let model = model();
    let agent = Agent::options().model(&model).start();
    let project = agent.home().project("shop");
    agent.healthy();
    let owner = Session::by_link(&agent.link());
    let place = format!(
        "directory={}",
        url::form_urlencoded::byte_serialize(project.to_string_lossy().as_bytes()).collect::<String>()
    );
    let session = owner
        .post_json(
            &format!("/api/opencode/session?{place}"),
            &json!({"title": "Paint the shed"}),
        )
        .json();
    let sent = owner.post_json(
        &format!(
            "/api/opencode/session/{}/prompt_async?{place}",
            session["id"].as_str().unwrap()
        ),
        &json!({"parts": [{"type": "text", "text": "[[endless]]"}]}),
    );
    assert!(sent.status < 300, "{sent:?}");

    agent.wait_for("the session to be at work", |status| {
        status["modules"]["opencode"]["facts"]
            .to_string()
            .contains("busy")
    });
    let refused = agent.nexus(&["quit", "--json"]);

    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    let answer: serde_json::Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(answer["error"]["code"], "busy");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("Paint the shed") && message.contains("--now"),
        "{message}"
    );
    // Ends in time all the same, with nothing left: the harness sees to it.
    let began = Instant::now();
    agent.quit();
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
}

#[test]
fn a_second_signal_does_not_wait_for_anybody() {
    let home = Home::new();
    let stubborn = home.path().join("stubborn");
    fs::write(
        &stubborn,
        "#!/bin/sh\n[ \"$1\" = --version ] && { echo 1.18.33; exit 0; }\ntrap '' TERM\nwhile :; do sleep 1; done\n",
    )
    .unwrap();
    fs::set_permissions(&stubborn, fs::Permissions::from_mode(0o755)).unwrap();
    let mut agent = Agent::options().home(home).program(&stubborn).start();
    agent.wait_for("the stubborn program to run", |status| {
        status["modules"]["opencode"]["state"] == "starting"
    });
    let pid = agent.pid();
    until("the stubborn program to be there", PATIENCE, || {
        Processes::children(pid)
            .into_iter()
            .any(|child| Processes::command(child).contains("stubborn"))
            .then_some(())
    });

    Processes::signal(agent.monitor(), "TERM");
    until("the agent to be ending", PATIENCE, || {
        let log = fs::read_to_string(agent.home().nexus().join("logs/agent.jsonl")).ok()?;
        log.contains("asked to end").then_some(())
    });
    let began = Instant::now();
    Processes::signal(agent.monitor(), "TERM");
    agent.ended();
    let took = began.elapsed();

    assert!(took < Duration::from_secs(2), "{took:?}");
    agent.home().assert_empty();
}
