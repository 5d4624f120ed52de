//! The files of pages. Only what is embedded is served.

use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, StatusCode, header},
};

use web::html;

use crate::{
    answer::{self, No},
    headers::WORKER_POLICY,
};

/// The content behind a path never changes, so a browser never has to ask again.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// `GET /assets/{name}`. The whole path is compared with the list; nothing is decoded or looked up on a disk.
pub(crate) async fn serve(request: Request<Body>) -> Response<Body> {
    let path = request.uri().path();
    let Some(asset) = web::assets().iter().find(|asset| asset.path == path) else {
        return No::NotFound.json();
    };
    let accepted = request.headers().get(header::ACCEPT_ENCODING);
    let takes_gzip = accepted
        .and_then(|given| given.to_str().ok())
        .is_some_and(|given| given.contains("gzip"));
    let is_smaller = asset.gzip.len() < asset.bytes.len();
    let bytes = if takes_gzip && is_smaller {
        asset.gzip
    } else {
        asset.bytes
    };
    let mut response = answer::typed(StatusCode::OK, asset.content_type, bytes);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(FOREVER));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if takes_gzip && is_smaller {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// `GET /sw.js`: the service worker, at the one path from which it may answer for all pages. A browser asks anew each
/// time whether there is another one.
pub(crate) async fn worker(request: Request<Body>) -> Response<Body> {
    let Some(asset) = web::assets().iter().find(|asset| asset.name == "sw.js") else {
        return No::NotFound.answer(request.headers());
    };
    let mut response = answer::typed(StatusCode::OK, asset.content_type, asset.bytes);
    let policy = HeaderValue::from_static(WORKER_POLICY);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// `GET /offline`: what the service worker shows when this machine cannot be reached. The same for everybody.
pub(crate) async fn offline() -> Response<Body> {
    let page = web::bare(
        "Out of reach",
        html! {
            h1 { "Your machine cannot be reached" }
            p { "It is off, asleep or without a network, or this device is." }
            p { a.button.primary href="/" { "Try again" } }
        },
    );
    answer::page_with(StatusCode::OK, page)
}
