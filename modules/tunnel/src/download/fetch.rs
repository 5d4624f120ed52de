//! Asking a few hosts over TLS, and following where they send us among themselves.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::ring;
use url::Url;

/// Redirects followed.
const HOPS_MAX: usize = 5;
/// GitHub refuses whoever does not say what it is.
const AGENT: &str = concat!("opencode-nexus/", env!("CARGO_PKG_VERSION"));

/// Why nothing was had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No system's certificates, or no randomness.
    #[error("TLS cannot be used here: {0}")]
    Tls(String),
    /// Somebody sends us elsewhere.
    #[error("it would lead to {0}, which is not where cloudflared is published")]
    Foreign(String),
    /// It is no address.
    #[error("{0} is no address")]
    Address(String),
    /// It leads from one place to the next.
    #[error("it leads from one place to the next without end")]
    Loop,
    /// No connection, or a broken one.
    #[error("{host} could not be reached: {cause}")]
    Unreached {
        /// Whom we asked.
        host: String,
        /// What the system said.
        cause: String,
    },
    /// Nothing came for a while.
    #[error("{0} does not answer")]
    Silent(String),
    /// Another status than a good one.
    #[error("{host} answered with status {status}")]
    Status {
        /// Whom we asked.
        host: String,
        /// E.g. 404.
        status: StatusCode,
    },
    /// The answer is no answer.
    #[error("{0} answered something that makes no sense")]
    Nonsense(String),
}

/// Whom may be asked, and for how long.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    /// `host` or `host:port`; over TLS only.
    pub(super) known: Vec<String>,
    /// Longest wait for the next bytes.
    pub(super) patience: Duration,
}

/// See the module.
pub(super) struct Fetcher {
    http: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    hosts: Hosts,
}

impl Fetcher {
    /// Trusts whom the system trusts.
    pub(super) fn new(hosts: Hosts) -> Result<Self, FetchError> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(ring::default_provider())
            .map_err(|error| FetchError::Tls(error.to_string()))?
            .https_only()
            .enable_http1()
            .build();
        Ok(Self::over(connector, hosts))
    }

    pub(super) fn over(connector: HttpsConnector<HttpConnector>, hosts: Hosts) -> Self {
        Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            hosts,
        }
    }

    /// A small text.
    pub(super) async fn text(&self, url: &str, bytes_max: usize) -> Result<Bytes, FetchError> {
        let (host, response) = self.get(url, 0).await?;
        let body = Limited::new(response.into_body(), bytes_max);
        match timeout(self.hosts.patience, body.collect()).await {
            Err(_late) => Err(FetchError::Silent(host)),
            Ok(Err(_)) => Err(FetchError::Nonsense(host)),
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
        }
    }

    /// A file from its byte `from` on.
    pub(super) async fn file(&self, url: &str, from: u64) -> Result<Incomplete, FetchError> {
        let (host, response) = self.get(url, from).await?;
        let begins_at = match response.status() {
            StatusCode::PARTIAL_CONTENT if begins_at(&response) == Some(from) => from,
            StatusCode::OK => 0,
            _ => return Err(FetchError::Nonsense(host)),
        };
        Ok(Incomplete {
            host,
            body: response.into_body(),
            begins_at,
            patience: self.hosts.patience,
        })
    }

    async fn get(&self, url: &str, from: u64) -> Result<(String, Response<Incoming>), FetchError> {
        let mut url = Url::parse(url).map_err(|_| FetchError::Address(url.to_owned()))?;
        for _ in 0..=HOPS_MAX {
            let host = self.known_host(&url)?;
            let mut request = Request::builder()
                .method(Method::GET)
                .uri(url.as_str())
                .header(header::USER_AGENT, AGENT)
                .header(header::ACCEPT, "*/*");
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            let request = request
                .body(Empty::new())
                .map_err(|_| FetchError::Address(url.to_string()))?;
            let response = match timeout(self.hosts.patience, self.http.request(request)).await {
                Err(_late) => return Err(FetchError::Silent(host)),
                Ok(Err(error)) => {
                    let cause = format!("{:#}", anyhow::Error::from(error));
                    return Err(FetchError::Unreached { host, cause });
                }
                Ok(Ok(response)) => response,
            };
            let status = response.status();
            if status.is_success() {
                return Ok((host, response));
            }
            let next = response.headers().get(header::LOCATION);
            match next.and_then(|next| next.to_str().ok()) {
                Some(next) if status.is_redirection() => {
                    url = url.join(next).map_err(|_| FetchError::Address(next.to_owned()))?;
                }
                _ => return Err(FetchError::Status { host, status }),
            }
        }
        Err(FetchError::Loop)
    }

    /// The host of an address that may be asked.
    fn known_host(&self, url: &Url) -> Result<String, FetchError> {
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => String::new(),
        };
        let is_plain = url.scheme() != "https" || !url.username().is_empty() || url.password().is_some();
        if is_plain || !self.hosts.known.contains(&host) {
            return Err(FetchError::Foreign(format!("{}://{host}", url.scheme())));
        }
        Ok(host)
    }
}

/// Of `Content-Range: bytes 100-199/200`.
fn begins_at(response: &Response<Incoming>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// A file that is coming.
#[derive(Debug)]
pub(super) struct Incomplete {
    pub(super) host: String,
    body: Incoming,
    /// The first byte that comes: less than was asked for where a host knows whole files only.
    pub(super) begins_at: u64,
    patience: Duration,
}

impl Incomplete {
    /// The next bytes; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            let frame = timeout(self.patience, self.body.frame()).await;
            match frame.map_err(|_late| FetchError::Silent(self.host.clone()))? {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(error)) => {
                    let (host, cause) = (self.host.clone(), error.to_string());
                    return Err(FetchError::Unreached { host, cause });
                }
            }
        }
    }
}
