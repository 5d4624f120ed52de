//! What keeps the server safe and alive.

use std::{collections::HashSet, net::TcpListener, time::Duration};

use kit::{ActError, State, Upstream};
use opencode::{ApiError, Link, Signal, wire::Event};
use tokio::time::timeout;

use crate::rig::{PATIENCE, Rig, binary};

fn upstream(rig: &Rig) -> Upstream {
    rig.module.upstream().borrow().clone().unwrap()
}

fn read(pid: u32, file: &str) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
    String::from_utf8_lossy(&bytes).replace('\0', "\n")
}

#[tokio::test]
async fn the_server_is_closed_to_whoever_lacks_its_password_and_the_password_is_new_each_time() {
    let rig = Rig::started().await;
    let first = upstream(&rig);
    let pid = rig.pid().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in ["/global/health", "/session", "/doc", "/"] {
        let answer = http
            .get(format!("http://{}{path}", first.address))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }
    let environment = read(pid, "environ");
    let password = environment
        .lines()
        .find_map(|line| line.strip_prefix("OPENCODE_SERVER_PASSWORD="))
        .unwrap();
    assert_eq!(password.len(), 64);
    let arguments = read(pid, "cmdline");
    assert!(!arguments.contains(password));
    assert!(
        arguments.contains("--hostname\n127.0.0.1\n--port\n"),
        "{arguments}"
    );
    for kept_away in ["NEXUS_HOME=", "TUNNEL_", "SHLVL="] {
        assert!(
            !environment.lines().any(|line| line.starts_with(kept_away)),
            "{kept_away}"
        );
    }

    rig.call("restart").await.unwrap();

    let second = upstream(&rig);
    assert_ne!(first.authorization, second.authorization);
    assert_ne!(rig.pid().await, pid);
    let old = http.get(format!("http://{}/global/health", second.address));
    let answer = old
        .header("authorization", first.authorization.expose())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
    rig.end().await;
    assert!(os::identify(pid).is_none());
}

#[tokio::test]
async fn a_killed_server_comes_back_and_its_listeners_are_told() {
    let mut rig = Rig::started().await;
    let mut tale = rig.events().await;
    let session = rig.session().await;
    let pid = rig.pid().await;
    rig.prompt(&session, "[[endless]] [[rate:100]]").await;
    tale.until(|event| matches!(event, Event::PartDelta(_)).then_some(()))
        .await;
    assert_eq!(rig.module.busy_sessions().len(), 1);

    os::signal(os::identify(pid).unwrap(), os::Signal::Kill).unwrap();

    while tale.next().await != Signal::Lost {}
    let call = rig.module.api().sessions(&session.directory, 1).await;
    assert!(matches!(call, Err(ApiError::Down { .. })), "{call:?}");
    while !matches!(tale.next().await, Signal::Connected { .. }) {}
    let status = rig
        .status(|status| status.state == State::Healthy && status.details["restarts"] == 1)
        .await;
    assert_ne!(status.details["pid"], pid);
    assert_eq!(rig.module.busy_sessions(), []);
    // The turn was cut: its message is there and never ends.
    assert_eq!(rig.messages(&session).await.len(), 2);
    let titles: Vec<String> = std::iter::from_fn(|| rig.notices.try_recv().ok())
        .map(|told| match told {
            kit::Told::Notice(notice) => notice.title,
            kit::Told::Settled(key) => key,
        })
        .collect();
    assert_eq!(titles, ["opencode is restarting", "opencode is back"]);
    rig.end().await;
}

#[tokio::test]
async fn a_stop_is_complete_and_a_start_begins_anew() {
    let rig = Rig::started().await;
    let pid = rig.pid().await;
    let mut link = rig.module.api().link();
    timeout(PATIENCE, link.wait_for(|link| matches!(link, Link::Up { .. })))
        .await
        .unwrap()
        .unwrap();

    rig.call("stop").await.unwrap();

    rig.state(State::Stopped).await;
    assert!(os::identify(pid).is_none());
    assert_eq!(*rig.module.upstream().borrow(), None);
    let down = |link: &Link| matches!(link, Link::Down { reason } if reason == "it is stopped");
    timeout(PATIENCE, link.wait_for(down)).await.unwrap().unwrap();
    rig.call("start").await.unwrap();
    rig.state(State::Healthy).await;
    rig.end().await;
}

#[tokio::test]
async fn a_setting_that_reaches_the_process_restarts_it_and_another_does_not() {
    let rig = Rig::started().await;
    let pid = rig.pid().await;

    rig.context
        .settings
        .set("opencode.restart.max_failures", "9")
        .unwrap();
    rig.context.settings.set("opencode.ask", "as_configured").unwrap();

    let status = rig
        .status(|status| status.state == State::Healthy && status.details["pid"] != pid)
        .await;
    let environment = read(
        u32::try_from(status.details["pid"].as_u64().unwrap()).unwrap(),
        "environ",
    );
    assert!(!environment.contains("OPENCODE_PERMISSION="));
    assert_eq!(status.details["restarts"], 0);
    rig.end().await;
}

#[tokio::test]
async fn new_settings_wait_for_a_session_at_work() {
    let rig = Rig::started().await;
    let mut tale = rig.events().await;
    let session = rig.session().await;
    let pid = rig.pid().await;
    rig.prompt(&session, "[[endless]] [[rate:50]]").await;
    tale.until(|event| matches!(event, Event::PartDelta(_)).then_some(()))
        .await;

    rig.context
        .settings
        .set("opencode.args", "[\"--log-level=DEBUG\"]")
        .unwrap();

    let waiting = rig.status(|status| status.reason.is_some()).await;
    assert_eq!(
        (waiting.state, &waiting.details["pid"]),
        (State::Healthy, &pid.into())
    );
    rig.module
        .api()
        .abort(&session.directory, &session.id)
        .await
        .unwrap();
    let status = rig
        .status(|status| status.state == State::Healthy && status.details["pid"] != pid)
        .await;
    let pid = u32::try_from(status.details["pid"].as_u64().unwrap()).unwrap();
    assert!(read(pid, "cmdline").contains("--log-level=DEBUG"));
    rig.end().await;
}

#[tokio::test]
async fn a_pinned_port_in_foreign_hands_is_left_alone_and_taken_when_free() {
    let foreign = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = foreign.local_addr().unwrap().port();
    let rig = Rig::new(&binary(), &format!("port = {port}")).await;

    let refused = rig.call("start").await.unwrap_err();

    let ActError::NeedsUser(text) = refused else {
        panic!("{refused:?}")
    };
    assert!(text.contains(&format!("Port {port} is taken by")), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    drop(foreign);
    let status = rig.state(State::Healthy).await;
    assert_eq!(status.details["port"], port);
    rig.end().await;
}

#[tokio::test]
async fn a_wrong_binary_is_named_with_its_reason_and_a_right_one_is_picked_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opencode");
    let rig = Rig::new(&path, "").await;

    let ActError::NeedsUser(text) = rig.call("start").await.unwrap_err() else {
        panic!()
    };
    assert!(
        text.contains(&format!("names {}, which does not exist", path.display())),
        "{text}"
    );
    std::fs::write(&path, "").unwrap();
    let ActError::NeedsUser(text) = rig.call("start").await.unwrap_err() else {
        panic!()
    };
    assert!(text.contains("may not be executed"), "{text}");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(binary(), &path).unwrap();
    rig.call("restart").await.unwrap();
    rig.state(State::Healthy).await;
    rig.end().await;
}

#[tokio::test]
async fn a_configuration_nobody_can_read_is_said() {
    let rig = Rig::new(&binary(), "").await;
    rig.context
        .settings
        .set("opencode.env", "{ OPENCODE_CONFIG_CONTENT = '{ broken' }")
        .unwrap();

    rig.call("start").await.unwrap();

    let status = rig.state(State::Degraded).await;
    let reason = status.reason.unwrap();
    assert!(
        reason.starts_with("opencode runs but refuses every project: "),
        "{reason}"
    );
    rig.end().await;
}

#[tokio::test]
async fn a_tap_hands_on_what_the_stream_says() {
    use futures_util::StreamExt;
    let rig = Rig::started().await;
    let _open = rig.events().await;
    let mut lines = rig.module.event_tap()();
    let session = rig.session().await;

    let mut seen = HashSet::new();
    while !seen.contains("session.created") {
        let line = timeout(Duration::from_secs(30), lines.next())
            .await
            .unwrap()
            .unwrap();
        let line = line.strip_prefix(b"data: ").unwrap();
        let line: serde_json::Value = serde_json::from_slice(line).unwrap();
        let name = line["payload"]["type"].as_str().unwrap().to_owned();
        if name == "session.created" {
            assert_eq!(line["payload"]["properties"]["sessionID"], session.id.as_str());
            assert_eq!(line["directory"], session.directory.as_str());
        }
        seen.insert(name);
    }
    assert!(seen.contains("server.connected"));
    rig.call("stop").await.unwrap();
    while timeout(Duration::from_secs(30), lines.next())
        .await
        .unwrap()
        .is_some()
    {}
    rig.end().await;
}

#[tokio::test]
async fn a_binary_replaced_while_it_runs_is_said_and_used_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opencode");
    let script = |remark: &str| {
        let next = folder.path().join("next");
        std::fs::write(
            &next,
            format!("#!/bin/sh\n# {remark}\nexec '{}' \"$@\"\n", binary().display()),
        )
        .unwrap();
        std::fs::set_permissions(&next, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::rename(next, &path).unwrap();
    };
    script("one");
    let rig = Rig::new(&path, "").await;
    rig.call("start").await.unwrap();
    let pid = rig.pid().await;

    script("another one");

    let told = rig.status(|status| status.reason.is_some()).await;
    assert_eq!((told.state, &told.details["pid"]), (State::Healthy, &pid.into()));
    assert!(told.reason.unwrap().contains("restart to use the new one"));
    rig.call("restart").await.unwrap();
    let status = rig.state(State::Healthy).await;
    assert_eq!((status.reason, status.details["pid"] != pid), (None, true));
    rig.end().await;
}
