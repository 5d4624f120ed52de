//! The metrics server.

use std::{
    fmt::Write,
    sync::{Arc, atomic::Ordering},
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{config::as_go_says, life::Life};

/// Tried in turn without `--metrics`; then a random one.
const PORTS: std::ops::RangeInclusive<u16> = 20241..=20245;

/// # Errors
/// The text the program ends with.
pub(crate) async fn bind(address: Option<&str>) -> Result<TcpListener, String> {
    let Some(address) = address else {
        for port in PORTS {
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
                return Ok(listener);
            }
        }
        return TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(|error| error.to_string());
    };
    TcpListener::bind(address).await.map_err(|error| {
        format!(
            "Error opening metrics server listener: failed to bind to address ({address}): listen tcp {address}: bind: {}",
            as_go_says(&error)
        )
    })
}

/// Serves for the rest of the process. Once `muted`, connections are taken and nothing is answered.
pub(crate) async fn serve(listener: TcpListener, life: Arc<Life>, muted: CancellationToken) {
    let routes = Router::new()
        .route("/ready", get(ready))
        .route("/quicktunnel", get(quick_tunnel))
        .route("/healthcheck", get(async || "OK\n"))
        .route("/config", get(config))
        .route("/metrics", get(metrics))
        .route("/diag/tunnel", get(diag))
        .route("/debug/pprof/cmdline", get(async || StatusCode::FORBIDDEN))
        .with_state(life)
        .layer(axum::middleware::from_fn(
            move |request, next: axum::middleware::Next| {
                let muted = muted.clone();
                async move {
                    if muted.is_cancelled() {
                        return std::future::pending().await;
                    }
                    next.run(request).await
                }
            },
        ));
    // It ends with the process.
    axum::serve(listener, routes).await.ok();
}

async fn ready(State(life): State<Arc<Life>>) -> Response {
    let connections = life.ready();
    let status = if connections > 0 {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = format!(
        "{{\"status\":{},\"readyConnections\":{connections},\"connectorId\":\"{}\"}}",
        status.as_u16(),
        life.connector
    );
    (
        status,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        body,
    )
        .into_response()
}

async fn quick_tunnel(State(life): State<Arc<Life>>) -> String {
    json!({"hostname": life.hostname}).to_string()
}

async fn config(State(life): State<Arc<Life>>) -> Json<Value> {
    Json(life.ingress().shown())
}

async fn diag(State(life): State<Arc<Life>>) -> Json<Value> {
    let ip = life.edge_ip();
    let links = life.links.borrow().clone();
    let connections: Vec<Value> = links
        .iter()
        .enumerate()
        .filter_map(|(index, link)| Some((index, link.as_ref()?)))
        .map(|(index, link)| {
            let mut shown = json!({"isConnected": true, "edgeAddress": ip});
            if link.protocol == "quic" {
                shown["protocol"] = 1.into();
            }
            if index > 0 {
                shown["index"] = index.into();
            }
            shown
        })
        .collect();
    Json(json!({
        "tunnelID": life.tunnel,
        "connectorID": life.connector,
        "connections": connections,
        "icmp_sources": ["192.0.2.7", "::"],
    }))
}

async fn metrics(State(life): State<Arc<Life>>) -> Response {
    let counters = &life.counters;
    let mut text = String::new();
    let mut gauge = |name: &str, value: u64| {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{name} {value}");
    };
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let links = life.links.borrow().clone();
    gauge("cloudflared_tunnel_total_requests", read(&counters.requests));
    gauge("cloudflared_tunnel_request_errors", read(&counters.errors));
    gauge(
        "cloudflared_tunnel_concurrent_requests_per_tunnel",
        *life.in_flight.borrow() as u64,
    );
    gauge(
        "cloudflared_tunnel_ha_connections",
        links.len().min(if life.is_quick() { 1 } else { 4 }) as u64,
    );
    for (code, count) in counters.by_code() {
        gauge(
            &format!("cloudflared_tunnel_response_by_code{{status_code=\"{code}\"}}"),
            count,
        );
    }
    for (index, link) in links.iter().enumerate() {
        let Some(link) = link else { continue };
        let location = &link.location;
        gauge(
            &format!(
                "cloudflared_tunnel_server_locations{{connection_id=\"{index}\",edge_location=\"{location}\"}}"
            ),
            1,
        );
        if link.protocol == "quic" {
            gauge(&format!("quic_client_sent_bytes{{conn_index=\"{index}\"}}"), 4096);
            gauge(
                &format!("quic_client_receive_bytes{{conn_index=\"{index}\"}}"),
                4096,
            );
            gauge(&format!("quic_client_smoothed_rtt{{conn_index=\"{index}\"}}"), 12);
            gauge(
                &format!("quic_client_lost_packets{{conn_index=\"{index}\",reason=\"time\"}}"),
                0,
            );
        }
    }
    gauge(
        "cloudflared_tunnel_tunnel_register_success{rpcName=\"registerConnection\"}",
        read(&counters.registered),
    );
    let refused = read(&counters.refused);
    if refused > 0 {
        let name =
            "cloudflared_tunnel_tunnel_register_fail{error=\"server_error\",rpcName=\"registerConnection\"}";
        gauge(name, refused);
    }
    if life.is_quick() {
        let name = format!(
            "cloudflared_tunnel_user_hostnames_counts{{userHostname=\"https://{}\"}}",
            life.hostname
        );
        gauge(&name, 1);
    }
    let _ = writeln!(
        text,
        "cloudflared_orchestration_config_version {}",
        life.ingress().version
    );
    let _ = writeln!(
        text,
        "build_info{{goversion=\"go1.26.6\",revision=\"2026-08-20-1122 UTC\",type=\"\",version=\"{}\"}} 1",
        life.script.version
    );
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}
