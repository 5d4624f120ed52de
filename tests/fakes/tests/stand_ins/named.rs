//! Named tunnels: who may run one, how four connections come up, what a refusal looks like.

use base64::{Engine, engine::general_purpose::STANDARD};
use fakes::edge::{Refusal, Wanted};
use serde_json::json;

use crate::program::{End, Program, ask, command, run, until_ready_is};

const SEE: &str = "See 'cloudflared tunnel run --help'.";

fn token() -> String {
    let token = json!({"a": fakes::ids::tag(), "t": fakes::ids::uuid(), "s": fakes::ids::secret()});
    STANDARD.encode(token.to_string())
}

#[tokio::test]
async fn four_connections_come_up_in_order() {
    let mut program = Program::start(
        "scale=0.02",
        &["tunnel", "--metrics", "127.0.0.1:0", "run", "--token", &token()],
    );
    program.line("Registered tunnel connection connIndex=3").await;
    let metrics = program.metrics().await;

    let lines = program.lines();
    let at = |part: &str| lines.iter().position(|line| line.contains(part)).unwrap();
    assert!(lines[0].contains("INF Starting tunnel tunnelID="), "{lines:#?}");
    for index in 0..3 {
        let (before, after) = (
            format!("connection connIndex={index} "),
            format!("connection connIndex={} ", index + 1),
        );
        assert!(at(&before) < at(&after), "{lines:#?}");
    }
    assert!(
        lines.iter().any(|line| line.contains("token:*****")),
        "{lines:#?}"
    );
    assert!(
        !lines.iter().any(|line| line.contains("Cannot determine default")),
        "{lines:#?}"
    );
    assert_eq!(until_ready_is(metrics, 200).await["readyConnections"], 4);
    assert_eq!(ask(metrics, "/quicktunnel").await.1, json!({"hostname": ""}));
}

#[tokio::test]
async fn what_is_no_token_ends_with_255_and_two_lines() {
    let no_token = "Provided Tunnel token is not valid.";
    let nothing = "\"cloudflared tunnel run\" requires the ID or name of the tunnel to run as the last command line \
        argument or in the configuration file.";
    for (arguments, words) in [
        (vec!["tunnel", "run", "--token", "garbage"], no_token),
        (vec!["tunnel", "run", "--token", "e30="], no_token),
        (
            vec!["tunnel", "run", "--token-file", "/no/such"],
            "Failed to read token file: open /no/such: no such file or directory",
        ),
        (vec!["tunnel", "run"], nothing),
    ] {
        let (end, out, err) = run("scale=0.02", &arguments).await;
        assert_eq!(
            (end, out.as_str(), err),
            (End::Code(255), "", format!("{words}\n{SEE}\n"))
        );
    }
    let mut padded = command("", &["tunnel", "run"]);
    padded.env("TUNNEL_TOKEN", format!(" {}", token()));
    assert_eq!(Program::spawn(padded).end().await, End::Code(255));
}

#[tokio::test]
async fn credentials_make_a_tunnel_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let edge = fakes::Edge::start().await.unwrap();
    let made = edge.make(&Wanted::default());
    std::fs::write(path("cred.json"), &made.credentials).unwrap();
    let config = format!(
        "tunnel: {}\ncredentials-file: {}\ningress:\n  - service: http_status:418\n",
        made.id,
        path("cred.json")
    );
    std::fs::write(path("c.yml"), config).unwrap();

    let script = format!("scale=0.02 edge={}", edge.tunnel());
    let mut program = Program::start(&script, &["tunnel", "--config", &path("c.yml"), "run"]);
    program.line("Registered tunnel connection connIndex=3").await;

    for (arguments, words) in [
        (
            vec!["tunnel", "--credentials-file", "/no/such", "run", "x"],
            "Tunnel credentials file '/no/such' doesn't exist or is not a file",
        ),
        (
            vec!["tunnel", "run", "name"],
            "error parsing tunnel ID: Error locating origin cert: client didn't specify origincert path",
        ),
        (
            vec!["tunnel", "run", "--credentials-contents", "{", "x"],
            "Invalid JSON when parsing tunnel credentials file",
        ),
    ] {
        let (end, _, err) = run("scale=0.02", &arguments).await;
        assert_eq!((end, err), (End::Code(1), format!("{words}\n")));
    }
}

#[tokio::test]
async fn a_wrong_secret_never_ends_it() {
    let edge = fakes::Edge::start().await.unwrap();
    let made = edge.make(&Wanted::default());
    let mut other: serde_json::Value =
        serde_json::from_slice(&STANDARD.decode(&made.token).unwrap()).unwrap();
    other["s"] = fakes::ids::secret().into();
    let other = STANDARD.encode(other.to_string());
    let script = format!("scale=0.02 edge={}", edge.tunnel());
    for (protocol, words) in [
        (
            "http2",
            "ERR Register tunnel error from server side error=\"Unauthorized: Invalid tunnel secret\" connIndex=0",
        ),
        (
            "quic",
            "ERR Serve tunnel error error=\"control stream encountered a failure while serving\" connIndex=0",
        ),
    ] {
        let arguments = [
            "tunnel",
            "--protocol",
            protocol,
            "--metrics",
            "127.0.0.1:0",
            "run",
            "--token",
            &other,
        ];
        let mut program = Program::start(&script, &arguments);
        program.line(words).await;
        program.line("INF Retrying connection in up to 2s").await;
        program.line("INF Retrying connection in up to 4s").await;
        program.nth_line(words, 2).await;
        let metrics = program.metrics().await;
        assert_eq!(ask(metrics, "/ready").await.0, 503);
        assert!(program.runs());
    }
}

#[tokio::test]
async fn a_final_refusal_ends_it_over_http2() {
    let edge = fakes::Edge::start().await.unwrap();
    let made = edge.make(&Wanted::default());
    edge.set(|rules| rules.register = Refusal::Final("no more tunnels".to_owned()));
    let script = format!("scale=0.02 edge={}", edge.tunnel());

    let (end, _, err) = run(
        &script,
        &["tunnel", "--protocol", "http2", "run", "--token", &made.token],
    )
    .await;

    assert_eq!(end, End::Code(1));
    let lines: Vec<&str> = err.lines().rev().take(3).collect();
    assert_eq!(lines[0], "no more tunnels");
    assert!(
        lines[1].ends_with("ERR Initiating shutdown error=\"no more tunnels\""),
        "{err}"
    );
    assert!(
        lines[2].contains("ERR initial tunnel connection failed error=\"no more tunnels\""),
        "{err}"
    );
}

#[tokio::test]
async fn faults_of_a_start_end_it_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.yml");
    std::fs::write(
        &config,
        "ingress:\n  - hostname: a.test\n    service: http://127.0.0.1:1\n",
    )
    .unwrap();
    let config = config.to_str().unwrap();
    let somebody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = somebody.local_addr().unwrap().to_string();
    let token = token();
    let last_rule =
        "The last ingress rule must match all URLs (i.e. it should not have a hostname or path filter)";
    for (arguments, words) in [
        (
            vec!["tunnel", "--metrics", &taken, "run", "--token", &token],
            format!(
                "Error opening metrics server listener: failed to bind to address ({taken}): listen tcp {taken}: bind: \
                 address already in use"
            ),
        ),
        (
            vec!["tunnel", "--grace-period", "4m", "run", "--token", &token],
            "grace-period must be equal or less than 3m0s".to_owned(),
        ),
        (
            vec!["tunnel", "--config", config, "run", "--token", &token],
            last_rule.to_owned(),
        ),
    ] {
        let (end, _, err) = run("scale=0.02", &arguments).await;
        assert_eq!((end, err.lines().last().unwrap()), (End::Code(1), words.as_str()));
    }
    let (_, _, err) = run("", &["tunnel", "--config", config, "ingress", "validate"]).await;
    assert_eq!(err, format!("Validation failed: {last_rule}\n"));
}
