//! A browser vendor's push service on loopback: takes every message, says what its address asks for, opens nothing.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    http::{Request, Response, StatusCode},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http_body_util::BodyExt;
use serde::Serialize;
use tokio::sync::{Mutex, mpsc};

use crate::{
    serve::{self, AbortOnDrop},
    tls::Authority,
};

/// A message as it came.
#[derive(Debug, Clone, Serialize)]
pub struct Pushed {
    /// Its subscription's address, e.g. `/201/ada`.
    pub path: String,
    /// In small letters.
    pub headers: BTreeMap<String, String>,
    /// In base64.
    pub body: String,
}

/// A running service. Dropping it ends it at once.
///
/// A subscription's address begins with the status it is answered with: `/201/NAME`, `/410/NAME`; `/503-2/NAME` is
/// answered so and with `Retry-After: 2`.
pub struct PushService {
    address: SocketAddr,
    authority: Arc<Authority>,
    pushed: Mutex<mpsc::UnboundedReceiver<Pushed>>,
    _task: AbortOnDrop,
}

impl PushService {
    /// Starts on a free port.
    ///
    /// # Errors
    /// When there is no port left, or no randomness for keys.
    pub async fn start() -> anyhow::Result<Self> {
        let authority = Authority::new()?;
        let (listener, address) = serve::listen(0).await?;
        let (sender, pushed) = mpsc::unbounded_channel();
        let task = serve::answer_all(listener, Some(authority.acceptor()?), move |request, _| {
            take(request, sender.clone())
        });
        Ok(Self {
            address,
            authority,
            pushed: Mutex::new(pushed),
            _task: task,
        })
    }

    /// Where it serves, over TLS.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What vouches for it.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The next message; `None` never while it runs.
    pub async fn next(&self) -> Option<Pushed> {
        self.pushed.lock().await.recv().await
    }
}

async fn take(request: Request<Body>, pushed: mpsc::UnboundedSender<Pushed>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let headers = headers.collect();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let wanted = path.split('/').nth(1).unwrap_or_default();
    let (status, later) = wanted
        .split_once('-')
        .map_or((wanted, None), |(status, later)| (status, Some(later)));
    let mut response =
        Response::builder().status(status.parse::<StatusCode>().unwrap_or(StatusCode::BAD_REQUEST));
    if let Some(later) = later {
        response = response.header("retry-after", later);
    }
    let body = BASE64_STANDARD.encode(body);
    // Nobody listens any more when the test is over.
    let _ = pushed.send(Pushed { path, headers, body });
    response.body(Body::empty()).unwrap_or_default()
}
