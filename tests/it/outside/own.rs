//! Tunnels whose owner does more themselves: their own cloudflared, and one with a credentials file.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use base64::Engine;
use serde_json::{Value, json};

use super::{PASSWORD, gone, ready, switch_on, tunnel, wait_for_state};
use crate::harness::{PATIENCE, until};

const HOST: &str = "nexus.example.com";

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The status of a request as somebody's own cloudflared would pass it on; `None` where nobody listens.
fn visit(port: u16, host: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = format!(
        "GET /login HTTP/1.1\r\nHost: {host}\r\nCf-Connecting-Ip: 198.51.100.7\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.get(9..12)?.parse().ok()
}

#[test]
fn for_somebody_s_own_cloudflared_a_port_is_open_and_nothing_is_started() {
    let (agent, cloudflare) = ready("");
    let port = free_port();
    for (key, value) in [
        ("tunnel.mode", "manual"),
        ("tunnel.public_host", HOST),
        ("tunnel.port", &port.to_string()),
    ] {
        agent.ask(&["settings", "set", key, value]);
    }

    agent.ask(&["tunnel", "start"]);

    let shown = wait_for_state(&agent, "connected");
    assert_eq!(shown["public_url"], json!(format!("https://{HOST}")));
    assert!(
        shown["reason"]
            .as_str()
            .unwrap()
            .contains(&format!("127.0.0.1:{port}")),
        "{shown}"
    );
    assert_eq!(
        (visit(port, HOST), visit(port, "evil.example")),
        (Some(200), Some(421))
    );
    assert!(cloudflare.starts().is_empty());

    let since = Instant::now();
    std::fs::remove_file(agent.home().nexus().join("credential")).unwrap();
    until("the port to be closed", PATIENCE, || {
        (visit(port, HOST) != Some(200)).then_some(())
    });
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    wait_for_state(&agent, "blocked");
    until("the port to be free", PATIENCE, || {
        TcpListener::bind(("127.0.0.1", port)).ok().map(drop)
    });
    agent.quit();
}

#[test]
fn a_tunnel_with_a_credentials_file_leads_here_and_nowhere_else() {
    let (agent, cloudflare) = ready("");
    let made = cloudflare.say("/tunnels", &json!({"hosts": [HOST]}));
    let token = base64::engine::general_purpose::STANDARD
        .decode(made["token"].as_str().unwrap())
        .unwrap();
    let token: Value = serde_json::from_slice(&token).unwrap();
    let file = agent.home().path().join("nexus.json");
    let credentials =
        json!({"AccountTag": token["a"], "TunnelSecret": token["s"], "TunnelID": token["t"], "Endpoint": ""});
    std::fs::write(&file, credentials.to_string()).unwrap();
    agent.ask(&["settings", "set", "tunnel.mode", "local"]);
    let asked = agent.nexus(&["tunnel", "start"]);
    assert_eq!(asked.status.code(), Some(4), "{asked:?}");
    assert!(
        String::from_utf8_lossy(&asked.stderr).contains("tunnel.public_host"),
        "{asked:?}"
    );
    for (key, value) in [
        ("tunnel.public_host", HOST),
        ("tunnel.tunnel_id", token["t"].as_str().unwrap()),
        ("tunnel.credentials", file.to_str().unwrap()),
    ] {
        agent.ask(&["settings", "set", key, value]);
    }

    let url = switch_on(&agent);

    assert_eq!(url, format!("https://{HOST}"));
    let mut visitor = cloudflare.visitor(&url);
    let entered = visitor.post_form("/login", &[("password", PASSWORD), ("next", "/chat")]);
    visitor.keep(&entered);
    assert_eq!(visitor.get("/chat").status, 200);
    let config =
        std::fs::read_to_string(agent.home().nexus().join("run/cloudflared/cloudflared.yml")).unwrap();
    assert!(config.contains("http_status:404") && !config.contains(token["s"].as_str().unwrap()));
    let pid = cloudflare.pid();
    agent.ask(&["tunnel", "stop"]);
    gone(pid);
    assert_eq!(tunnel(&agent.status())["state"], "off");

    std::fs::write(&file, "no credentials").unwrap();
    let asked = agent.nexus(&["tunnel", "start"]);
    assert_eq!(asked.status.code(), Some(4), "{asked:?}");
    assert!(
        String::from_utf8_lossy(&asked.stderr).contains("tunnel.credentials"),
        "{asked:?}"
    );
    agent.quit();
}
