//! The files of pages. Only what is embedded is served.

use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, StatusCode, header},
};

use crate::answer::{self, No};

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
