//! A visitor's request, from the public port to a stand-in and back.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderValue, Method, Request, Response, StatusCode, header},
};
use http_body_util::{BodyExt, Limited};
use tokio::net::TcpStream;

use super::{
    HoldBack, Rules,
    headers::{self, Seen},
    table::{Link, Route, Table},
};
use crate::{ids, relay, wire};

#[derive(Debug, Clone, Copy)]
pub(super) enum Scheme {
    Http,
    Https,
}

/// Answers one request. Dropping this future is the visitor leaving.
pub(super) async fn visit(
    table: Arc<Table>,
    scheme: Scheme,
    _peer: SocketAddr,
    request: Request<Body>,
) -> Response<Body> {
    let rules = table.rules();
    let ray = ids::ray();
    let scheme = match scheme {
        Scheme::Http => rules.plain_scheme.as_str(),
        Scheme::Https => "https",
    };
    let mut response = pass(&table, &rules, scheme, &ray, request).await;
    let headers = response.headers_mut();
    headers.insert(header::SERVER, HeaderValue::from_static("cloudflare"));
    if let Ok(ray) = HeaderValue::from_str(&format!("{ray}-LHR")) {
        headers.insert("cf-ray", ray);
    }
    response
}

async fn pass(
    table: &Table,
    rules: &Rules,
    scheme: &str,
    ray: &str,
    mut request: Request<Body>,
) -> Response<Body> {
    let host = host_of(&request);
    let (link, is_quick, flight) = match table.route(&host) {
        Route::NotConnected => return plain(530, "error code: 1033"),
        Route::TooMany => return plain(429, "error code: 1015"),
        Route::To {
            link,
            is_quick,
            flight,
        } => (link, is_quick, flight),
    };
    let declared = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|bytes| bytes > rules.body_bytes_max) {
        return plain(413, "error code: 413");
    }
    let seen = Seen {
        scheme,
        country: &rules.country,
        ray,
    };
    headers::add(request.headers_mut(), &seen);
    request
        .headers_mut()
        .insert(wire::CONNECTION, HeaderValue::from(link.index));
    let may_hold = request.method() == Method::GET
        && match rules.hold_back {
            HoldBack::Quick => is_quick,
            HoldBack::Never => false,
            HoldBack::Always => true,
        };
    let limit = usize::try_from(rules.body_bytes_max).unwrap_or(usize::MAX);
    let request = request.map(|body| Body::new(Limited::new(body, limit)));
    let response = tokio::time::timeout(rules.header_wait(), relayed(&link, request, flight)).await;
    let Ok(response) = response else {
        return plain(524, "error code: 524");
    };
    if may_hold && is_streamed(&response) {
        return hold_back(response).await;
    }
    response
}

async fn relayed(link: &Link, request: Request<Body>, flight: super::table::Flight) -> Response<Body> {
    let answered = async {
        let socket = TcpStream::connect(link.data).await.ok()?;
        let _ = socket.set_nodelay(true);
        relay::forward(socket, request, link.cut.clone(), flight)
            .await
            .map_err(too_large)
            .map_or_else(
                |status| status.map(|status| plain(status, "error code: 413")),
                Some,
            )
    };
    let answered = tokio::select! {
        answered = answered => answered,
        () = link.cut.cancelled() => None,
    };
    answered.unwrap_or_else(|| plain(502, "error code: 502"))
}

/// 413 when it was our own limit that broke the request off.
fn too_large(error: hyper::Error) -> Option<u16> {
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return Some(413);
        }
        cause = error.source();
    }
    None
}

/// Nothing reaches the visitor, headers included, before the origin has ended.
async fn hold_back(response: Response<Body>) -> Response<Body> {
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(whole) => Response::from_parts(parts, Body::from(whole.to_bytes())),
        Err(_cut) => plain(502, "error code: 502"),
    }
}

fn is_streamed(response: &Response<Body>) -> bool {
    response.status() != StatusCode::SWITCHING_PROTOCOLS
        && !response.headers().contains_key(header::CONTENT_LENGTH)
}

/// The name a visitor asked for, without a port, in lower case.
fn host_of(request: &Request<Body>) -> String {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    host.rsplit_once(':')
        .map_or(host, |(name, _)| name)
        .to_ascii_lowercase()
}

fn plain(status: u16, words: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(words));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=UTF-8"),
    );
    response
}
