//! How it is stopped.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use axum::body::Body;

use crate::{
    origin::Origin,
    program::{CLOUDFLARED, End, PATIENCE, Program, command, until_ready_is},
    visitor::{request, send, whole},
};

const CALL: &[&str] = &[
    "tunnel",
    "--metrics",
    "127.0.0.1:0",
    "--url",
    "http://127.0.0.1:1",
];
const HUP: i32 = 1;
const INT: i32 = 2;
const PIPE: i32 = 13;
const TERM: i32 = 15;

#[tokio::test]
async fn a_signal_ends_it_in_order_with_0() {
    for (signal, words) in [("TERM", "terminated"), ("INT", "interrupt")] {
        let mut program = Program::start("scale=0.02", &[CALL, &["--no-prechecks"]].concat());
        program.line("Registered tunnel connection").await;
        program.signal(signal);
        program.line("Metrics server stopped").await;
        assert_eq!(program.end().await, End::Code(0));

        let lines = program.lines();
        let parts = [
            &format!("INF Initiating graceful shutdown due to signal {words} ..."),
            "INF Unregistered tunnel connection connIndex=0",
            "INF Retrying connection in up to 1s",
            "ERR Connection terminated connIndex=0",
            "ERR no more connections active and exiting",
            "INF Tunnel server stopped",
            "INF Metrics server stopped",
        ];
        for (line, part) in lines.iter().rev().zip(parts.iter().rev()) {
            assert!(line.contains(part), "{line} is not {part}");
        }
    }
}

#[tokio::test]
async fn an_idle_one_takes_half_a_second_of_its_own_time() {
    let mut program = Program::start("url_after=0 registered_after=0", CALL);
    program.line("Registered tunnel connection").await;

    let began = Instant::now();
    program.signal("TERM");
    assert_eq!(program.end().await, End::Code(0));

    let took = began.elapsed();
    assert!((0.4..1.5).contains(&took.as_secs_f64()), "{took:?}");
}

#[tokio::test]
async fn before_the_first_connection_it_ends_at_once() {
    for script in ["url_after=60", "url_after=0 registered_after=60"] {
        let mut program = Program::start(script, CALL);
        program.line("Requesting new quick Tunnel").await;
        if script.contains("registered") {
            program.metrics().await;
        }
        let began = Instant::now();
        program.signal("TERM");
        assert_eq!(program.end().await, End::Code(0));
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn what_is_in_flight_is_waited_for_and_new_visitors_are_not_let_in() {
    let (edge, origin) = (fakes::Edge::start().await.unwrap(), Origin::start().await);
    let (mut program, host, metrics) = Program::quick(&edge, &origin.url, "", &[]).await;
    let late = tokio::spawn(send(edge.http(), request("GET", &host, "/late", Body::empty())));
    while edge.state()["tunnels"]
        .to_string()
        .contains("\"in_flight\":0,\"index\":0")
    {
        tokio::task::yield_now().await;
    }

    program.signal("TERM");
    until_ready_is(metrics, 503).await;
    program.line("Unregistered tunnel connection").await;
    while !edge.state()["tunnels"].to_string().contains("\"leaving\":true") {
        tokio::task::yield_now().await;
    }
    assert!(program.runs());
    let refused = send(edge.http(), request("GET", &host, "/", Body::empty())).await;
    assert_eq!(refused.status(), 530);
    origin.pieces.add_permits(1);

    assert_eq!(whole(late.await.unwrap()).await.body, "late");
    assert_eq!(program.end().await, End::Code(0));
}

#[tokio::test]
async fn the_grace_period_cuts_what_does_not_end() {
    let (edge, origin) = (fakes::Edge::start().await.unwrap(), Origin::start().await);
    let (mut program, host, _) = Program::quick(&edge, &origin.url, "", &["--grace-period", "300ms"]).await;
    let late = tokio::spawn(send(edge.http(), request("GET", &host, "/late", Body::empty())));
    while edge.state()["tunnels"]
        .to_string()
        .contains("\"in_flight\":0,\"index\":0")
    {
        tokio::task::yield_now().await;
    }

    let began = Instant::now();
    program.signal("TERM");
    assert_eq!(program.end().await, End::Code(0));

    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(late.await.unwrap().status(), 502);
}

#[tokio::test]
async fn a_slow_stop_uses_the_whole_grace_period() {
    let mut program = Program::start(
        "scale=0.02 slow_stop",
        &[CALL, &["--grace-period", "400ms"]].concat(),
    );
    program.line("Registered tunnel connection").await;
    let began = Instant::now();
    program.signal("TERM");
    assert_eq!(program.end().await, End::Code(0));
    assert!(began.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn other_signals_kill() {
    for (first, second, end) in [
        ("TERM", Some("TERM"), End::Signal(TERM)),
        ("TERM", Some("INT"), End::Signal(INT)),
        ("HUP", None, End::Signal(HUP)),
        ("QUIT", None, End::Code(2)),
    ] {
        let mut program = Program::start("scale=0.02 slow_stop", CALL);
        program.line("Registered tunnel connection").await;
        program.signal(first);
        if let Some(second) = second {
            program.line("Unregistered tunnel connection").await;
            program.signal(second);
        }
        assert_eq!(program.end().await, end, "{first}");
    }
    let mut program = Program::start("scale=0.02 ignore_term", CALL);
    program.line("Registered tunnel connection").await;
    program.signal("TERM");
    program.line("CONNECTIVITY PRE-CHECKS").await;
    assert!(program.runs());
}

#[tokio::test]
async fn it_dies_when_nobody_reads_what_it_says() {
    let mut command = command("scale=0.02 drop_after=0.3", CALL);
    command.stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();

    drop(child.stderr.take());

    let waited = tokio::time::timeout(PATIENCE, child.wait()).await;
    let status = waited.expect("it lives on").unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(PIPE));
}

#[tokio::test]
async fn its_number_is_left_in_a_file_after_the_first_connection() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let call = [CALL, &["--pidfile", file.to_str().unwrap()]].concat();
    let mut program = Program::start("scale=0.02 registered_after=0.3", &call);
    program.metrics().await;
    assert!(!file.exists());
    program.line("Registered tunnel connection").await;
    let pid = program.pid();
    program.signal("TERM");
    program.end().await;
    assert_eq!(std::fs::read_to_string(file).unwrap(), pid.to_string());
}

#[tokio::test]
async fn a_script_beside_the_program_reaches_it_without_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("cloudflared");
    std::os::unix::fs::symlink(CLOUDFLARED, &link).unwrap();
    let (script, starts) = (
        folder.path().join("cloudflared.script"),
        folder.path().join("starts"),
    );
    std::fs::write(
        &script,
        format!("version=2024.1.1\nstarts={}\n", starts.display()),
    )
    .unwrap();

    let out = tokio::process::Command::new(&link)
        .env_clear()
        .arg("version")
        .output()
        .await
        .unwrap();

    assert!(
        String::from_utf8_lossy(&out.stdout).starts_with("cloudflared version 2024.1.1"),
        "{out:?}"
    );
    let started: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(starts).unwrap()).unwrap();
    assert_eq!(started["args"], serde_json::json!(["version"]));
    assert_eq!(started["env"], serde_json::json!({}));
}
