//! Visitors, from the public side to the origin and back.

use axum::body::Body;
use fakes::edge::{HoldBack, Wanted};
use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use serde_json::json;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::{
    origin::Origin,
    program::{Program, ask, until_ready_is},
    visitor::{get, over, post, request, send, whole},
};

#[tokio::test]
async fn the_origin_gets_the_headers_of_the_real_edge() {
    let (edge, origin) = (fakes::Edge::start().await.unwrap(), Origin::start().await);
    let (_program, host, metrics) = Program::quick(&edge, &origin.url, "", &[]).await;
    let mut visit = request("GET", &host, "/", Body::empty());
    for (name, value) in [
        ("x-play-visitor", "198.51.100.4"),
        ("x-forwarded-for", "192.0.2.1"),
        ("cf-connecting-ip", "127.0.0.1"),
        ("cf-access-jwt-assertion", "forged"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
    ] {
        visit.headers_mut().insert(name, value.parse().unwrap());
    }

    let seen = whole(send(edge.http(), visit).await).await;

    assert_eq!(seen.status, 200);
    assert_eq!(seen.headers["server"], "cloudflare");
    let mut got = seen.json();
    let ray = got["cf-ray"].take();
    assert!(
        ray.as_str()
            .is_some_and(|ray| ray.len() == 20 && ray.ends_with("-LHR")),
        "{ray}"
    );
    let (_, ready) = ask(metrics, "/ready").await;
    assert_eq!(
        got,
        json!({
            "accept-encoding": "gzip, br",
            "cdn-loop": "cloudflare; loops=1",
            "cf-connecting-ip": "198.51.100.4",
            "cf-ipcountry": "GB",
            "cf-ray": null,
            "cf-visitor": "{\"scheme\":\"http\"}",
            "cf-warp-tag-id": ready["connectorId"],
            "connection": "keep-alive",
            "host": host,
            "x-forwarded-for": "192.0.2.1,198.51.100.4",
            "x-forwarded-proto": "http",
        })
    );
}

#[tokio::test]
async fn the_port_with_tls_is_trusted_under_any_name() {
    let (edge, origin) = (fakes::Edge::start().await.unwrap(), Origin::start().await);
    let (_program, host, _) = Program::quick(&edge, &origin.url, "", &[]).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(edge.authority().der())).unwrap();
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = tokio::net::TcpStream::connect(edge.https()).await.unwrap();
    let name = ServerName::try_from(host.clone()).unwrap();
    let socket = TlsConnector::from(std::sync::Arc::new(config))
        .connect(name, socket)
        .await
        .unwrap();

    let seen = whole(over(socket, request("GET", &host, "/", Body::empty())).await).await;

    assert_eq!(seen.json()["x-forwarded-proto"], "https");
    assert!(edge.authority().pem().starts_with("-----BEGIN CERTIFICATE-----"));
}

#[tokio::test]
async fn streamed_gets_of_quick_tunnels_are_held_back_and_others_are_not() {
    let (edge, origin) = (fakes::Edge::start().await.unwrap(), Origin::start().await);
    let (_program, host, _) = Program::quick(&edge, &origin.url, "", &[]).await;
    let ask = |method: &str| send(edge.http(), request(method, &host, "/stream", Body::empty()));
    let comes_live = async |method: &str| {
        origin.pieces.add_permits(1);
        let mut body = ask(method).await.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        origin.pieces.add_permits(1);
        let rest = body.collect().await.unwrap().to_bytes();
        assert_eq!(
            (&first[..], &rest[..]),
            (&b"piece"[..], &b"piece"[..]),
            "{method}"
        );
    };

    comes_live("POST").await;
    edge.set(|rules| rules.hold_back = HoldBack::Never);
    comes_live("GET").await;

    edge.set(|rules| rules.hold_back = HoldBack::Quick);
    origin.pieces.add_permits(1);
    let mut held = tokio::spawn(ask("GET"));
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut held).await;
    assert!(early.is_err(), "it was not held back");
    assert_eq!(origin.pieces.available_permits(), 0);
    origin.pieces.add_permits(1);
    assert_eq!(whole(held.await.unwrap()).await.body, "piecepiece");
}

#[tokio::test]
async fn sockets_of_pages_pass_both_ways() {
    let (edge, origin) = (fakes::Edge::start().await.unwrap(), Origin::start().await);
    let (_program, host, metrics) = Program::quick(&edge, &origin.url, "", &[]).await;
    let socket = tokio::net::TcpStream::connect(edge.http()).await.unwrap();
    let call = format!("ws://{host}/echo").into_client_request().unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(call, socket).await.unwrap();

    for words in ["one", "two"] {
        socket.send(Message::text(words)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(words));
    }

    let (_, text) = ask(metrics, "/metrics").await;
    let text = text.as_str().unwrap();
    assert!(
        text.contains("total_requests 1\n") && !text.contains("response_by_code"),
        "{text}"
    );
    let dropped = post(control(&edge), "/drop", "{}").await;
    assert_eq!(dropped.json(), json!({"dropped": 1}));
    assert!(!matches!(socket.next().await, Some(Ok(Message::Text(_)))));
}

#[tokio::test]
async fn visitors_are_told_what_is_wrong() {
    let edge = fakes::Edge::start().await.unwrap();
    let origin = Origin::start().await;
    let (mut program, host, metrics) = Program::quick(&edge, &origin.url, "", &[]).await;

    edge.set(|rules| rules.in_flight_max = 0);
    assert_eq!(get(edge.http(), &host, "/").await.status, 429);
    edge.set(|rules| {
        rules.in_flight_max = 200;
        rules.header_wait_ms = 50;
    });
    assert_eq!(get(edge.http(), &host, "/late").await.status, 524);
    edge.set(|rules| {
        rules.header_wait_ms = 100_000;
        rules.body_bytes_max = 10;
    });
    let body = |bytes: usize| request("POST", &host, "/body", Body::from("x".repeat(bytes)));
    assert_eq!(whole(send(edge.http(), body(10)).await).await.body, "10");
    assert_eq!(whole(send(edge.http(), body(11)).await).await.status, 413);
    let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>("123456"), Ok("123456")]);
    let streamed = request("POST", &host, "/body", Body::from_stream(pieces));
    assert_eq!(whole(send(edge.http(), streamed).await).await.status, 413);

    let nobody = get(edge.http(), "other.trycloudflare.com", "/").await;
    assert_eq!((nobody.status, nobody.body.as_str()), (530, "error code: 1033"));
    program.signal("TERM");
    program.end().await;
    assert_eq!(get(edge.http(), &host, "/").await.status, 530);

    let (mut program, host, metrics_then) = Program::quick(&edge, "http://127.0.0.1:1", "", &[]).await;
    assert_ne!(metrics, metrics_then);
    assert_eq!(get(edge.http(), &host, "/").await.status, 502);
    let line = program.line("Unable to reach the origin service").await;
    assert!(line.contains(" ERR  error=\"Unable to reach the origin service. The service may be down or it may not be \
        responding to traffic from cloudflared: dial tcp 127.0.0.1:1: connect: connection refused\" connIndex=0"), "{line}");
    // An origin that is down is no fault of the tunnel.
    assert_eq!(ask(metrics_then, "/ready").await.0, 200);
}

#[tokio::test]
async fn a_dashboard_changes_the_rules_of_a_tunnel_while_it_runs() {
    let (edge, origin) = (fakes::Edge::start().await.unwrap(), Origin::start().await);
    let made = edge.make(&Wanted {
        hosts: vec!["app.example.com".to_owned()],
        ingress: Some(
            json!([{"hostname": "app.example.com", "service": origin.url}, {"service": "http_status:404"}]),
        ),
    });
    let script = format!("scale=0.02 edge={}", edge.tunnel());
    let mut program = Program::start(
        &script,
        &[
            "tunnel",
            "--metrics",
            "127.0.0.1:0",
            "run",
            "--token",
            &made.token,
        ],
    );
    let metrics = program.metrics().await;
    let line = program.line("Updated to new configuration config=").await;
    assert!(line.ends_with(" version=1"), "{line}");
    assert_eq!(get(edge.http(), "app.example.com", "/").await.status, 200);

    let push = json!({"tunnel": made.id, "ingress": [{"service": "http_status:410"}]});
    let pushed = post(control(&edge), "/ingress", &push.to_string()).await;

    assert_eq!(pushed.json(), json!({"version": 2}));
    program.nth_line("Updated to new configuration", 1).await;
    let (_, config) = ask(metrics, "/config").await;
    assert_eq!(
        (&config["version"], &config["config"]["ingress"][0]["service"]),
        (&json!(2), &json!("http_status:410"))
    );
    assert_eq!(get(edge.http(), "app.example.com", "/").await.status, 410);
}

#[tokio::test]
async fn lost_connections_come_back_under_the_same_name() {
    let (edge, origin) = (fakes::Edge::start().await.unwrap(), Origin::start().await);
    let (mut program, host, metrics) = Program::quick(&edge, &origin.url, "", &[]).await;

    let cut = tokio::spawn(send(edge.http(), request("GET", &host, "/late", Body::empty())));
    program.line("INF Registered").await;
    while edge.state()["tunnels"]
        .to_string()
        .contains("\"in_flight\":0,\"index\":0")
    {
        tokio::task::yield_now().await;
    }
    post(control(&edge), "/drop", r#"{"for_ms":100}"#).await;

    assert_eq!(cut.await.unwrap().status(), 502);
    program.line("failed to accept incoming stream requests").await;
    until_ready_is(metrics, 200).await;
    program.nth_line("Registered tunnel connection", 1).await;
    let seen = get(edge.http(), &host, "/").await;
    assert_eq!(seen.json()["host"], host);
}

#[tokio::test]
async fn two_processes_with_one_token_share_the_visitors() {
    let (edge, origin) = (fakes::Edge::start().await.unwrap(), Origin::start().await);
    let made = edge.make(&Wanted {
        hosts: vec!["app.example.com".to_owned()],
        ingress: Some(json!([{"service": origin.url}])),
    });
    let script = format!("scale=0.02 edge={}", edge.tunnel());
    let start = || {
        Program::start(
            &script,
            &[
                "tunnel",
                "--metrics",
                "127.0.0.1:0",
                "run",
                "--token",
                &made.token,
            ],
        )
    };
    let mut both = [start(), start()];
    for program in &mut both {
        program.line("Registered tunnel connection connIndex=3").await;
    }

    let mut connectors = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let seen = get(edge.http(), "app.example.com", "/").await;
        connectors.insert(seen.json()["cf-warp-tag-id"].as_str().unwrap().to_owned());
    }

    assert_eq!(connectors.len(), 2);
}

fn control(edge: &fakes::Edge) -> std::net::SocketAddr {
    edge.control_url().trim_start_matches("http://").parse().unwrap()
}
