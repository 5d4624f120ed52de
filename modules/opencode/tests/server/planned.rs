//! Restarts that wait for sessions, and a server that somebody else runs.

use base64::{Engine, prelude::BASE64_STANDARD};
use kit::{ActError, Reply, Secret, State};
use opencode::{Signal, wire::Event};

use crate::rig::{Rig, binary};

#[tokio::test]
async fn a_restart_waits_for_sessions_at_work_names_them_and_can_be_hurried() {
    let rig = Rig::started().await;
    let mut tale = rig.events().await;
    let session = rig.session().await;
    let pid = rig.pid().await;
    rig.prompt(&session, "[[tokens:400]] [[rate:100]]").await;
    tale.until(|event| matches!(event, Event::PartDelta(_)).then_some(()))
        .await;

    let answer = rig.call("restart").await.unwrap();
    let waiting = rig.status(|status| !status.offers.is_empty()).await;
    assert_eq!(rig.pid().await, pid, "it waits");
    rig.status(|status| status.state == State::Healthy && status.details["pid"] != pid)
        .await;

    assert!(
        matches!(&answer, Reply::Note(text) if text.contains("is done")),
        "{answer:?}"
    );
    let reason = waiting.reason.unwrap();
    assert!(reason.contains('“') && reason.contains("Restart now"), "{reason}");
    assert_eq!(waiting.offers[0].verb, "restart-now");
    // The turn was not cut off.
    let messages = rig.messages(&session).await;
    assert_eq!(messages.len(), 2);
    let ends = rig.module.history().await.unwrap();
    assert_eq!(ends[0].cause, "it was restarted on request");

    let mut tale = rig.events().await;
    rig.prompt(&session, "[[endless]] [[rate:50]]").await;
    tale.until(|event| matches!(event, Event::PartDelta(_)).then_some(()))
        .await;
    let pid = rig.pid().await;
    rig.call("restart").await.unwrap();
    rig.call("restart-now").await.unwrap();
    assert_ne!(rig.pid().await, pid);
    rig.end().await;
}

#[tokio::test]
async fn a_server_of_somebody_else_is_used_watched_and_never_touched() {
    let theirs = Rig::started().await;
    let upstream = theirs.module.upstream().borrow().clone().unwrap();
    let pid = theirs.pid().await;
    let pair = upstream.authorization.expose().strip_prefix("Basic ").unwrap();
    let pair = String::from_utf8(BASE64_STANDARD.decode(pair).unwrap()).unwrap();
    let password = Secret::new(pair.split_once(':').unwrap().1.to_owned());
    let url = format!("external_url = 'http://{}'", upstream.address);

    let rig = Rig::new(&binary(), &url).await;
    let unknown = rig.state(State::NeedsAction).await;
    assert!(
        unknown
            .reason
            .unwrap()
            .contains("nexus secret set opencode-password")
    );
    rig.keep_secret("opencode-password", Secret::new("a wrong one".to_owned()));
    rig.status(|status| {
        status
            .reason
            .as_ref()
            .is_some_and(|reason| reason.contains("does not take"))
    })
    .await;
    rig.keep_secret("opencode-password", password);
    let status = rig.state(State::Healthy).await;

    assert_eq!(status.details["pid"], serde_json::Value::Null);
    assert_eq!(status.details["external"], format!("http://{}", upstream.address));
    let mut tale = rig.events().await;
    let session = rig.session().await;
    rig.prompt(&session, "[[text:hello]]").await;
    tale.idle(&session).await;
    for verb in ["start", "stop", "restart", "restart-now"] {
        let refused = rig.call(verb).await;
        assert!(
            matches!(refused, Err(ActError::NeedsUser(_))),
            "{verb}: {refused:?}"
        );
    }
    assert_eq!(theirs.pid().await, pid, "it was not touched");

    theirs.end().await;
    while tale.next().await != Signal::Lost {}
    rig.state(State::Unresponsive).await;
    // One is run here again as soon as nobody else's is named.
    rig.context.settings.set("opencode.external_url", "").unwrap();
    rig.call("start").await.unwrap();
    let status = rig.state(State::Healthy).await;
    assert!(status.details["pid"].is_u64(), "{status:?}");
    rig.end().await;
}

#[tokio::test]
async fn a_server_without_a_password_is_not_used() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let home = tempfile::tempdir().unwrap();
    let mut open = tokio::process::Command::new(binary())
        .args(["serve", "--hostname", "127.0.0.1", "--port", &port.to_string()])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(fakes::offline_env(home.path()))
        .current_dir(home.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let rig = Rig::new(&binary(), &format!("external_url = 'http://127.0.0.1:{port}'")).await;
    rig.keep_secret("opencode-password", Secret::new("whatever".to_owned()));

    let status = rig
        .status(|status| {
            status
                .reason
                .as_ref()
                .is_some_and(|reason| reason.contains("without a password"))
        })
        .await;

    assert_eq!(status.state, State::NeedsAction);
    assert!(rig.module.upstream().borrow().is_none());
    rig.end().await;
    open.kill().await.unwrap();
}
