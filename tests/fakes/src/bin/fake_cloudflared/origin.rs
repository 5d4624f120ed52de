//! What the edge delivers, on to the origin.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, StatusCode, header},
};
use fakes::{relay, wire};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{
    ingress::{Rule, Service},
    life::{Counters, Life},
    log::Level,
};

const HELLO: &str =
    "<!DOCTYPE html><title>Cloudflare Tunnel Connection</title><h1>Congrats! You created a tunnel!</h1>";

/// Answers one request.
pub(crate) async fn answer(life: Arc<Life>, mut request: Request<Body>) -> Response<Body> {
    Counters::count(&life.counters.requests);
    let index = request
        .headers_mut()
        .remove(wire::CONNECTION)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(0);
    let is_upgrade = request.headers().contains_key(header::UPGRADE);
    let host = request.headers().get(header::HOST);
    let host = host
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    let ingress = life.ingress();
    let Some((at, rule)) = ingress.find(name, request.uri().path()) else {
        life.counters.answered(503);
        return plain(503, "");
    };
    prepare(&mut request, &life, rule, &host);
    let flight = Flight::new(Arc::clone(&life), index, at, &rule.named);
    let response = pass(rule, request, flight).await;
    let response = response.unwrap_or_else(|cause| {
        Counters::count(&life.counters.errors);
        let error = format!(
            "Unable to reach the origin service. The service may be down or it may not be responding to traffic from \
             cloudflared: {cause}"
        );
        let fields = json!({
            "error": error, "connIndex": index, "event": 1, "ingressRule": at, "originService": rule.named,
        });
        life.log.line(Level::Error, "", &fields);
        let dest = format!("https://{name}/");
        let fields = json!({"error": error, "connIndex": index, "dest": dest, "event": 0, "type": "http"});
        life.log.line(Level::Error, "Request failed", &fields);
        plain(502, "Bad Gateway")
    });
    if !is_upgrade {
        life.counters.answered(response.status().as_u16());
    }
    response
}

/// Gives a request what cloudflared itself adds.
fn prepare(request: &mut Request<Body>, life: &Life, rule: &Rule, host: &str) {
    let headers = request.headers_mut();
    if let Ok(connector) = HeaderValue::from_str(&life.connector) {
        headers.insert("cf-warp-tag-id", connector);
    }
    if !headers.contains_key(header::UPGRADE) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive"));
    }
    let renamed = rule
        .host_header
        .as_deref()
        .and_then(|name| HeaderValue::from_str(name).ok());
    if let (Some(renamed), Ok(public)) = (renamed, HeaderValue::from_str(host)) {
        headers.insert(header::HOST, renamed);
        headers.insert("x-forwarded-host", public);
    }
}

/// # Errors
/// Why the origin gave no answer, as a Go program says it.
async fn pass(rule: &Rule, request: Request<Body>, mut flight: Flight) -> Result<Response<Body>, String> {
    let never = CancellationToken::new();
    let eof = |_: hyper::Error| "EOF".to_owned();
    match &rule.service {
        Service::Tcp(address) => match TcpStream::connect(address).await {
            Ok(socket) => {
                // Small pieces of a stream go out at once.
                let _ = socket.set_nodelay(true);
                relay::forward(socket, request, never, flight.handed_on())
                    .await
                    .map_err(eof)
            }
            Err(error) => Err(format!(
                "dial tcp {address}: {}",
                crate::config::as_go_says(&error)
            )),
        },
        #[cfg(unix)]
        Service::Unix(path) => match tokio::net::UnixStream::connect(path).await {
            Ok(socket) => relay::forward(socket, request, never, flight.handed_on())
                .await
                .map_err(eof),
            Err(error) => Err(format!("dial unix {path}: {}", crate::config::as_go_says(&error))),
        },
        #[cfg(not(unix))]
        Service::Unix(path) => Err(format!("dial unix {path}: not supported")),
        Service::Status(code) => Ok(plain(*code, "")),
        Service::Hello => Ok(plain(200, HELLO)),
        Service::Other => Err("this kind of origin is not played".to_owned()),
    }
}

/// A request in flight, counted until dropped.
struct Flight {
    counter: Option<watch::Sender<usize>>,
    life: Arc<Life>,
    fields: Value,
    /// Handed to the body, which the visitor may leave before its end.
    is_body: bool,
}

impl Flight {
    fn new(life: Arc<Life>, index: usize, rule: usize, service: &str) -> Self {
        life.in_flight.send_modify(|count| *count += 1);
        Self {
            counter: Some(life.in_flight.clone()),
            fields: json!({
                "error": "context canceled", "connIndex": index, "event": 1, "ingressRule": rule,
                "originService": service,
            }),
            life,
            is_body: false,
        }
    }

    fn handed_on(&mut self) -> Self {
        Self {
            counter: self.counter.take(),
            life: Arc::clone(&self.life),
            fields: self.fields.clone(),
            is_body: true,
        }
    }
}

impl relay::Held for Flight {
    fn completed(&mut self) {
        self.is_body = false;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(counter) = &self.counter {
            counter.send_modify(|count| *count -= 1);
            if self.is_body {
                Counters::count(&self.life.counters.errors);
                self.life.log.line(Level::Error, "", &self.fields);
                self.life.log.line(Level::Error, "Request failed", &self.fields);
            }
        }
    }
}

fn plain(status: u16, words: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(words));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response
}
