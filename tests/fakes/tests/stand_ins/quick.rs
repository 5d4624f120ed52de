//! Quick tunnels: their lines, their address, their failures.

use fakes::edge::Answer;
use serde_json::{Value, json};

use crate::program::{End, Program, ask, run, until_ready_is};

const CALL: &[&str] = &[
    "tunnel",
    "--metrics",
    "127.0.0.1:0",
    "--url",
    "http://127.0.0.1:1",
];

#[tokio::test]
async fn a_start_says_its_lines_in_order() {
    let mut program = Program::start("scale=0.02 hostname=a-b-c-d.trycloudflare.com", CALL);
    program.line("Registered tunnel connection").await;
    // The second box comes in its own time.
    program.line("CONNECTIVITY PRE-CHECKS").await;
    program.line("INF precheck component=api status=pass").await;
    let expected = [
        "INF Thank you for trying Cloudflare Tunnel.",
        "INF Requesting new quick Tunnel on trycloudflare.com...",
        "INF +----",
        "INF |  Your quick Tunnel has been created! Visit it at",
        "INF |  https://a-b-c-d.trycloudflare.com   ",
        "INF +----",
        "INF Cannot determine default configuration path.",
        "INF Version 2026.8.2",
        "INF GOOS: ",
        "INF Settings: map[ha-connections:1 metrics:127.0.0.1:0 protocol:quic url:http://127.0.0.1:1]",
        "INF Autoupdate frequency is set autoupdateFreq=86400000",
        "INF Generated Connector ID: ",
        "ERR Failed to fetch features",
        "INF Initial protocol quic",
        "WRN ICMP proxy feature is disabled",
        "INF Starting metrics server on 127.0.0.1:",
        "INF Tunnel connection curve preferences: ",
        "INF Registered tunnel connection connIndex=0 connection=",
    ];

    let lines = program.lines();
    let mut rest = lines.iter();
    for part in expected {
        assert!(
            rest.any(|line| line.contains(part)),
            "{part} is missing or out of order: {lines:#?}"
        );
    }
}

#[tokio::test]
async fn all_lines_are_json_when_asked_but_the_last_before_a_failure() {
    let mut program = Program::start(
        "scale=0.02",
        &[CALL, &["--output", "json", "--no-prechecks"]].concat(),
    );
    program.line("Registered tunnel connection").await;
    let lines: Vec<Value> = program
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    let registered = lines.last().unwrap();
    assert_eq!(registered["message"], "Registered tunnel connection");
    assert_eq!(registered["connIndex"], 0);
    assert_eq!(registered["protocol"], "quic");

    let (end, out, err) = run(
        "scale=0.02 quick=rate_limited",
        &[CALL, &["--output=json"]].concat(),
    )
    .await;
    assert_eq!((end, out.as_str()), (End::Code(1), ""));
    let last = err.lines().last().unwrap();
    assert!(last.starts_with("failed to unmarshal quick Tunnel: "), "{last}");
}

#[tokio::test]
async fn every_failure_of_the_service_ends_it_with_its_own_words() {
    let edge = fakes::Edge::start().await.unwrap();
    let looking = "looking for beginning of value";
    let table = [
        (
            Answer::RateLimited,
            "rate_limited",
            format!("failed to unmarshal quick Tunnel: invalid character 'e' {looking}"),
            "status_code=\"429 Too Many Requests\"",
        ),
        (
            Answer::Broken,
            "broken",
            format!("failed to unmarshal quick Tunnel: invalid character '<' {looking}"),
            "status_code=\"500 Internal Server Error\"",
        ),
        (
            Answer::Refused,
            "refused",
            "failed to parse quick Tunnel ID: invalid UUID length: 0".to_owned(),
            "",
        ),
        (
            Answer::Truncated,
            "truncated",
            "failed to unmarshal quick Tunnel: unexpected end of JSON input".to_owned(),
            "status_code=\"200 OK\"",
        ),
        (
            Answer::Silent,
            "silent",
            "(Client.Timeout exceeded while awaiting headers)".to_owned(),
            "/tunnel\": net/http: timeout awaiting response headers",
        ),
    ];
    for (answer, word, last, part) in table {
        edge.answer_quick([answer]);
        let service = format!("--quick-service={}", edge.control_url());
        let pretended = format!("scale=0.02 quick={word}");
        for (script, more) in [
            ("scale=0.02", vec![service.as_str()]),
            (pretended.as_str(), vec![]),
        ] {
            let (end, _, err) = run(script, &[CALL, &more].concat()).await;
            assert_eq!(end, End::Code(1), "{err}");
            let said = err.lines().last().unwrap();
            assert!(said.ends_with(&last), "{said} is not {last}");
            assert!(err.contains(part), "{err}");
            assert!(!err.contains("|  https://"), "{err}");
        }
    }
    for (arguments, last) in [
        (
            vec![
                "tunnel",
                "--quick-service",
                "http://127.0.0.1:1",
                "--url",
                "http://127.0.0.1:1",
            ],
            "failed to request quick Tunnel: Post \"http://127.0.0.1:1/tunnel\": dial tcp 127.0.0.1:1: connect: connection \
             refused",
        ),
        (
            vec!["tunnel", "--url", "ftp://x"],
            "Error validating origin URL: Currently Cloudflare Tunnel does not support ftp protocol.",
        ),
    ] {
        let (end, _, err) = run("scale=0.02", &arguments).await;
        assert_eq!((end, err.lines().last().unwrap()), (End::Code(1), last));
    }
    let (end, _, err) = run("", &["tunnel"]).await;
    assert_eq!(end, End::Code(1));
    assert!(
        err.starts_with("You did not specify any valid additional argument to the cloudflared tunnel"),
        "{err}"
    );
}

#[tokio::test]
async fn the_metrics_server_knows_the_address_and_the_connection() {
    let mut program = Program::start("scale=0.02 registered_after=0.5", CALL);
    let (host, metrics) = (program.hostname().await, program.metrics().await);

    let before = until_ready_is(metrics, 503).await;
    assert_eq!(before["readyConnections"], 0);
    let after = until_ready_is(metrics, 200).await;
    assert_eq!(after["readyConnections"], 1);
    assert_eq!(after["connectorId"], before["connectorId"]);
    assert_eq!(
        ask(metrics, "/quicktunnel").await,
        (200, json!({"hostname": host}))
    );
    assert_eq!(ask(metrics, "/healthcheck").await, (200, json!("OK\n")));
    assert_eq!(ask(metrics, "/debug/pprof/cmdline").await.0, 403);
    let (_, config) = ask(metrics, "/config").await;
    assert_eq!(config["version"], -1);
    assert_eq!(config["config"]["ingress"][0]["service"], "http://127.0.0.1:1");
    let (_, tunnel) = ask(metrics, "/diag/tunnel").await;
    assert_eq!(
        tunnel["connections"],
        json!([{"isConnected": true, "protocol": 1, "edgeAddress": "198.41.192.7"}])
    );
    let (_, text) = ask(metrics, "/metrics").await;
    assert!(
        text.as_str()
            .unwrap()
            .contains("cloudflared_tunnel_total_requests 0\n"),
        "{text}"
    );
    let arguments = ["tunnel", "--metrics", &metrics.to_string(), "ready"];
    assert_eq!(
        run("", &arguments).await,
        (End::Code(0), String::new(), String::new())
    );
}

#[tokio::test]
async fn rules_of_a_file_win_over_the_flag_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yml");
    std::fs::write(&file, "ingress:\n  - service: http_status:404\n").unwrap();
    let file = file.to_str().unwrap();

    let mut program = Program::start("scale=0.02", &[CALL, &["--config", file]].concat());
    let metrics = program.metrics().await;

    let (_, config) = ask(metrics, "/config").await;
    assert_eq!(config["config"]["ingress"][0]["service"], "http_status:404");
    let valid = run("", &["tunnel", "--config", file, "ingress", "validate"]).await;
    assert_eq!(
        valid,
        (
            End::Code(0),
            format!("Validating rules from {file}\nOK\n"),
            String::new()
        )
    );
    let (end, _, err) = run("", &["tunnel", "--config", "/no/such", "--url", "x"]).await;
    assert_eq!(
        (end, err.as_str()),
        (End::Code(1), "open /no/such: no such file or directory\n")
    );
}

#[tokio::test]
async fn misuse_is_told_on_stdout_with_exit_0() {
    for (script, arguments, flag) in [
        ("", &["tunnel", "--nope"][..], "nope"),
        ("", &["tunnel", "run", "--metrics", "127.0.0.1:0"], "metrics"),
        ("old", &["tunnel", "--no-prechecks", "--url", "x"], "no-prechecks"),
    ] {
        let (end, out, err) = run(script, arguments).await;
        assert_eq!((end, err.as_str()), (End::Code(0), ""));
        let words = format!("Incorrect Usage: flag provided but not defined: -{flag}\n\n");
        assert!(out.starts_with(&words), "{out}");
    }
    let (_, out, _) = run("", &["--version"]).await;
    assert!(out.starts_with("cloudflared version 2026.8.2 (built "), "{out}");
    assert_eq!(
        run("version=2025.2.1", &["version", "--short"]).await.1,
        "2025.2.1\n"
    );
}
