//! What goes wrong by script.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::program::{End, PATIENCE, Program, ask, until_ready_is};

const CALL: &[&str] = &[
    "tunnel",
    "--metrics",
    "127.0.0.1:0",
    "--url",
    "http://127.0.0.1:1",
];

#[tokio::test]
async fn a_lost_connection_is_told_and_comes_back() {
    for (protocol, words) in [
        ("quic", "ERR failed to accept incoming stream requests error="),
        ("http2", "INF Lost connection with the edge connIndex=0"),
    ] {
        let call = [CALL, &["--protocol", protocol]].concat();
        let mut program = Program::start("scale=0.02 drop_after=0.3 drop_for=0.3", &call);
        let metrics = program.metrics().await;
        let connector = until_ready_is(metrics, 200).await["connectorId"].clone();
        let before = program.hostname().await;
        program.line(words).await;
        program.line("INF Retrying connection in up to 1s").await;
        until_ready_is(metrics, 503).await;
        program.nth_line("Registered tunnel connection", 1).await;
        let after = until_ready_is(metrics, 200).await;
        assert_eq!(after["connectorId"], connector);
        assert_eq!(ask(metrics, "/quicktunnel").await.1, json!({"hostname": before}));
    }
}

#[tokio::test]
async fn one_lost_connection_of_four_is_a_warning() {
    let token = json!({"a": "0", "t": fakes::ids::uuid(), "s": fakes::ids::secret()});
    let token = STANDARD.encode(token.to_string());
    let script = "scale=0.02 drop_after=0.5 drop=one drop_for=0.2";
    let mut program = Program::start(
        script,
        &[
            "tunnel",
            "--protocol",
            "http2",
            "--metrics",
            "127.0.0.1:0",
            "run",
            "--token",
            &token,
        ],
    );
    program
        .line("WRN Serve tunnel error error=\"connection with edge closed\" connIndex=0")
        .await;
    let metrics = program.metrics().await;
    assert_eq!(ask(metrics, "/ready").await.1["readyConnections"], 3);
    program
        .nth_line("Registered tunnel connection connIndex=0", 1)
        .await;
}

#[tokio::test]
async fn without_udp_a_quick_tunnel_tries_for_ever_and_a_named_one_falls_back() {
    let mut program = Program::start("scale=0.002 udp_blocked", CALL);
    let dial = "ERR Failed to dial a quic connection error=\"failed to dial to edge with quic: timeout: no recent network \
        activity\" connIndex=0";
    program.nth_line(dial, 20).await;
    let metrics = program.metrics().await;
    assert_eq!(ask(metrics, "/ready").await.0, 503);
    assert!(!program.lines().iter().any(|line| line.contains("fallback")));

    let token = json!({"a": "0", "t": fakes::ids::uuid(), "s": fakes::ids::secret()});
    let token = STANDARD.encode(token.to_string());
    let call = ["tunnel", "--max-edge-addr-retries", "1", "run", "--token", &token];
    let mut program = Program::start("scale=0.02 udp_blocked", &call);
    program.line(dial).await;
    program
        .line("WRN If this log occurs persistently, and cloudflared is unable to connect")
        .await;
    program.line("INF Switching to fallback protocol http2").await;
    let line = program.line("Registered tunnel connection").await;
    assert!(line.ends_with("protocol=http2"), "{line}");
}

#[tokio::test]
async fn it_ends_by_itself_as_told() {
    for (script, code, words) in [
        ("crash_after=0.2", 2, "goroutine 1 [running]:"),
        ("update_after=0.2", 11, "cloudflared has been updated"),
        ("exit_after=0.2 exit=7", 7, "Registered"),
    ] {
        let mut program = Program::start(&format!("scale=0.02 {script}"), CALL);
        assert_eq!(program.end().await, End::Code(code), "{script}");
        program.line(words).await;
    }
}

#[tokio::test]
async fn it_can_hang_and_its_metrics_can_fall_silent() {
    let mut program = Program::start("hang", CALL);
    let mut muted = Program::start("scale=0.02 mute_after=0.2", CALL);
    let metrics = muted.metrics().await;
    until_ready_is(metrics, 200).await;

    let silent = async {
        while tokio::time::timeout(Duration::from_secs(1), ask(metrics, "/ready"))
            .await
            .is_ok()
        {}
    };

    tokio::time::timeout(PATIENCE, silent).await.unwrap();
    assert!(muted.runs() && program.runs());
    assert_eq!(program.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn rules_are_pushed_from_a_file_without_an_edge() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.json");
    std::fs::write(&file, r#"[{"service":"http_status:404"}]"#).unwrap();
    let mut program = Program::start(&format!("scale=0.02 push={}", file.display()), CALL);
    let metrics = program.metrics().await;
    program.line("Updated to new configuration").await;

    std::fs::write(&file, r#"[{"service":"ssh://127.0.0.1:22"}]"#).unwrap();

    let line = program.nth_line("Updated to new configuration", 1).await;
    assert!(
        line.ends_with("version=2") && line.contains("ssh://127.0.0.1:22"),
        "{line}"
    );
    let (_, config) = ask(metrics, "/config").await;
    assert_eq!(config["version"], 2);
}
