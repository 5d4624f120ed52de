//! A server with releases to download, on loopback, as GitHub offers those of cloudflared.
//!
//! One file is every asset of one release. There are three hosts: the one that lists releases, the one it sends
//! downloads to, and a stranger nobody should follow to. Each serves http and, under any name, https. What goes wrong
//! stands in [`Rules`] and is changed over a port of its own.

mod asset;
mod rules;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header},
    routing::{get, post},
};
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use rules::{Fault, Redirect, Rules};

use crate::{
    ids,
    serve::{self, AbortOnDrop},
    tls::Authority,
};

/// Assets a release is said to have.
const NAMES: &[&str] = &[
    "cloudflared-linux-amd64",
    "cloudflared-linux-arm64",
    "cloudflared-windows-amd64.exe",
    "cloudflared-darwin-arm64.tgz",
];
const DOWNLOADS: &str = "/cloudflare/cloudflared/releases/download/";
const RELEASES: &str = "/repos/cloudflare/cloudflared/releases/";
const ASSETS: &str = "/asset/";
/// Requests remembered at most.
const SEEN_MAX: usize = 1_000;

/// A running server. Dropping it ends it at once.
pub struct Release {
    shelf: Arc<Shelf>,
    authority: Arc<Authority>,
    hosts: Hosts,
    control: SocketAddr,
    _tasks: Vec<AbortOnDrop>,
}

#[derive(Debug, Clone, Copy)]
struct Hosts {
    releases: Host,
    assets: Host,
    stranger: Host,
}

/// One host, at its two ports.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// Without TLS.
    pub http: SocketAddr,
    /// With TLS.
    pub https: SocketAddr,
}

/// What is offered.
struct Shelf {
    version: String,
    content: Bytes,
    /// Lowercase hexadecimal digits.
    sha256: String,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    rules: Rules,
    seen: Vec<Value>,
}

impl Release {
    /// Starts a server with one release, e.g. `"2026.8.2"`, whose every asset is `content`.
    ///
    /// # Errors
    /// When there is no port left, or no randomness for keys.
    pub async fn start(version: &str, content: impl Into<Bytes>) -> anyhow::Result<Self> {
        let content = content.into();
        let shelf = Arc::new(Shelf {
            version: version.to_owned(),
            sha256: ids::hex(&Sha256::digest(&content)),
            content,
            inner: Mutex::default(),
        });
        let authority = Authority::new()?;
        let mut listeners = Vec::new();
        let mut hosts = Vec::new();
        for _ in 0..3 {
            let (plain, http) = serve::listen(0).await?;
            let (sealed, https) = serve::listen(0).await?;
            listeners.push((plain, sealed));
            hosts.push(Host { http, https });
        }
        let hosts = Hosts {
            releases: hosts[0],
            assets: hosts[1],
            stranger: hosts[2],
        };
        let (control_listener, control) = serve::listen(0).await?;
        let mut tasks = vec![serve::routes(control_listener, controls(Arc::clone(&shelf)))];
        for (plain, sealed) in listeners {
            for (listener, tls) in [(plain, None), (sealed, Some(authority.acceptor()?))] {
                let shelf = Arc::clone(&shelf);
                let scheme = if tls.is_some() { "https" } else { "http" };
                tasks.push(serve::answer_all(listener, tls, move |request, _| {
                    let shelf = Arc::clone(&shelf);
                    std::future::ready(shelf.answer(hosts, scheme, &request))
                }));
            }
        }
        Ok(Self {
            shelf,
            authority,
            hosts,
            control,
            _tasks: tasks,
        })
    }

    /// Where releases are listed.
    pub fn host(&self) -> Host {
        self.hosts.releases
    }

    /// Where downloads are sent to when the rules say so.
    pub fn assets(&self) -> Host {
        self.hosts.assets
    }

    /// What vouches for the ports with TLS.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Of every asset, in lowercase hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.shelf.sha256
    }

    /// Changes how downloads are answered.
    pub fn set(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.shelf.lock().rules);
    }

    /// Requests so far: `{"path","range","status"}`, the oldest first.
    pub fn seen(&self) -> Vec<Value> {
        self.shelf.lock().seen.clone()
    }

    /// The addresses, as the program prints them.
    pub fn addresses(&self) -> Value {
        let of = |host: Host| json!({"http": host.http.to_string(), "https": host.https.to_string()});
        json!({
            "releases": of(self.hosts.releases),
            "assets": of(self.hosts.assets),
            "stranger": of(self.hosts.stranger),
            "control": format!("http://{}", self.control),
            "version": self.shelf.version,
            "sha256": self.shelf.sha256,
            "size": self.shelf.content.len(),
        })
    }
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, hosts: Hosts, scheme: &str, request: &Request<Body>) -> Response<Body> {
        let path = request.uri().path();
        let response = if let Some(which) = path.strip_prefix(RELEASES) {
            self.listed(which, scheme, request.headers())
        } else if let Some(name) = path.strip_prefix(DOWNLOADS) {
            match self.elsewhere(hosts, scheme, path) {
                Some(url) => redirect(&url),
                None => self.asset(name.rsplit('/').next().unwrap_or_default(), request.headers()),
            }
        } else if let Some(name) = path.strip_prefix(ASSETS) {
            self.asset(name, request.headers())
        } else {
            status(StatusCode::NOT_FOUND)
        };
        let range = request.headers().get(header::RANGE);
        let seen = json!({
            "path": path,
            "range": range.and_then(|range| range.to_str().ok()),
            "status": response.status().as_u16(),
        });
        let mut inner = self.lock();
        if inner.seen.len() < SEEN_MAX {
            inner.seen.push(seen);
        }
        response
    }

    fn listed(&self, which: &str, scheme: &str, headers: &HeaderMap) -> Response<Body> {
        if which != "latest" && which != format!("tags/{}", self.version) {
            return status(StatusCode::NOT_FOUND);
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or_default();
        let assets: Vec<Value> = NAMES
            .iter()
            .map(|name| {
                json!({
                    "name": name,
                    "size": self.content.len(),
                    "digest": format!("sha256:{}", self.sha256),
                    "browser_download_url": format!("{scheme}://{host}{DOWNLOADS}{}/{name}", self.version),
                })
            })
            .collect();
        let listed =
            json!({"tag_name": self.version, "name": self.version, "prerelease": false, "assets": assets});
        let mut response = Response::new(Body::from(listed.to_string()));
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        response
    }

    /// Where a download is sent to instead.
    fn elsewhere(&self, hosts: Hosts, scheme: &str, path: &str) -> Option<String> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let at = |host: Host| {
            let address = if scheme == "https" { host.https } else { host.http };
            format!("{scheme}://{address}{ASSETS}{name}")
        };
        match &self.lock().rules.redirect {
            Redirect::None => None,
            Redirect::Assets => Some(at(hosts.assets)),
            Redirect::Stranger => Some(at(hosts.stranger)),
            Redirect::Plain => Some(format!("http://{}{ASSETS}{name}", hosts.assets.http)),
            Redirect::Loop => Some(path.to_owned()),
            Redirect::To(url) => Some(url.clone()),
        }
    }

    fn asset(&self, name: &str, headers: &HeaderMap) -> Response<Body> {
        if !NAMES.contains(&name) {
            return status(StatusCode::NOT_FOUND);
        }
        let rules = {
            let mut inner = self.lock();
            let rules = inner.rules.clone();
            inner.rules.count_down();
            rules
        };
        asset::answer(&self.content, &self.sha256, headers, &rules)
    }
}

fn controls(shelf: Arc<Shelf>) -> Router {
    async fn change(
        State(shelf): State<Arc<Shelf>>,
        Json(change): Json<Value>,
    ) -> Result<Json<Rules>, (StatusCode, String)> {
        let unprocessable = |error: serde_json::Error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
        let mut inner = shelf.lock();
        let mut merged = serde_json::to_value(&inner.rules).map_err(unprocessable)?;
        if let (Some(merged), Value::Object(change)) = (merged.as_object_mut(), change) {
            merged.extend(change);
        }
        inner.rules = serde_json::from_value(merged).map_err(unprocessable)?;
        Ok(Json(inner.rules.clone()))
    }
    let state = async |State(shelf): State<Arc<Shelf>>| {
        let inner = shelf.lock();
        Json(json!({"rules": inner.rules, "seen": inner.seen}))
    };
    Router::new()
        .route("/state", get(state))
        .route("/rules", post(change))
        .with_state(shelf)
}

fn redirect(url: &str) -> Response<Body> {
    let mut response = status(StatusCode::FOUND);
    if let Ok(url) = HeaderValue::from_str(url) {
        response.headers_mut().insert(header::LOCATION, url);
    }
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
