//! What this program itself asks of the world: a few hosts, each named by whoever asks, over TLS.
//!
//! Whoever answers may send us on among the hosts that were named, and nowhere else. There is no proxy and nothing is
//! remembered.

use std::time::Duration;

pub use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{HeaderMap, Method, Request, Response, body::Incoming, header};
pub use hyper::{StatusCode, http};
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
    #[error("it would lead to {0}, which is none of the hosts that are asked for this")]
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
pub struct Hosts {
    /// `host` or `host:port`; with a dot in front, whatever ends like it. Over TLS only.
    pub known: Vec<String>,
    /// Longest wait for the next bytes.
    pub patience: Duration,
}

impl Hosts {
    /// The host of an address that may be asked.
    ///
    /// # Errors
    /// [`FetchError::Foreign`], and [`FetchError::Address`] for what is none.
    pub fn admit(&self, url: &str) -> Result<String, FetchError> {
        let url = Url::parse(url).map_err(|_| FetchError::Address(url.to_owned()))?;
        self.host_of(&url)
    }

    fn host_of(&self, url: &Url) -> Result<String, FetchError> {
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => String::new(),
        };
        let is_known = self.known.iter().any(|known| match known.starts_with('.') {
            true => host.ends_with(known.as_str()),
            false => host == *known,
        });
        let is_plain = url.scheme() != "https" || !url.username().is_empty() || url.password().is_some();
        if is_plain || !is_known {
            return Err(FetchError::Foreign(format!("{}://{host}", url.scheme())));
        }
        Ok(host)
    }
}

/// Asks. See the crate.
pub struct Fetcher {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    hosts: Hosts,
}

impl Fetcher {
    /// Trusts whom the system trusts.
    ///
    /// # Errors
    /// [`FetchError::Tls`].
    pub fn new(hosts: Hosts) -> Result<Self, FetchError> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(ring::default_provider())
            .map_err(|error| FetchError::Tls(error.to_string()))?
            .https_only()
            .enable_http1()
            .build();
        Ok(Self::over(connector, hosts))
    }

    /// Trusts whom `connector` trusts.
    pub fn over(connector: HttpsConnector<HttpConnector>, hosts: Hosts) -> Self {
        Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            hosts,
        }
    }

    /// A small text.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn text(&self, url: &str, bytes_max: usize) -> Result<Bytes, FetchError> {
        let (host, response) = self.get(url, 0).await?;
        let body = Limited::new(response.into_body(), bytes_max);
        match timeout(self.hosts.patience, body.collect()).await {
            Err(_late) => Err(FetchError::Silent(host)),
            Ok(Err(_)) => Err(FetchError::Nonsense(host)),
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
        }
    }

    /// A file from its byte `from` on.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn file(&self, url: &str, from: u64) -> Result<Incomplete, FetchError> {
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

    /// Sends `body`, and gives the answer's status and headers, whatever they say. Its text is not read, and where it
    /// leads nobody goes.
    ///
    /// # Errors
    /// [`FetchError`], but none about a status.
    pub async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(StatusCode, HeaderMap), FetchError> {
        let url = Url::parse(url).map_err(|_| FetchError::Address(url.to_owned()))?;
        let host = self.hosts.host_of(&url)?;
        let mut request = Request::post(url.as_str())
            .header(header::USER_AGENT, AGENT)
            .body(Full::new(body))
            .map_err(|_| FetchError::Address(host.clone()))?;
        request.headers_mut().extend(headers);
        let response = self.ask(&host, request).await?;
        let (parts, _body) = response.into_parts();
        Ok((parts.status, parts.headers))
    }

    async fn ask(&self, host: &str, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, FetchError> {
        match timeout(self.hosts.patience, self.http.request(request)).await {
            Err(_late) => Err(FetchError::Silent(host.to_owned())),
            Ok(Err(error)) => Err(FetchError::Unreached {
                host: host.to_owned(),
                cause: format!("{:#}", anyhow::Error::from(error)),
            }),
            Ok(Ok(response)) => Ok(response),
        }
    }

    async fn get(&self, url: &str, from: u64) -> Result<(String, Response<Incoming>), FetchError> {
        let mut url = Url::parse(url).map_err(|_| FetchError::Address(url.to_owned()))?;
        for _ in 0..=HOPS_MAX {
            let host = self.hosts.host_of(&url)?;
            let mut request = Request::builder()
                .method(Method::GET)
                .uri(url.as_str())
                .header(header::USER_AGENT, AGENT)
                .header(header::ACCEPT, "*/*");
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            let request = request
                .body(Full::default())
                .map_err(|_| FetchError::Address(url.to_string()))?;
            let response = self.ask(&host, request).await?;
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
}

/// Of `Content-Range: bytes 100-199/200`.
fn begins_at(response: &Response<Incoming>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// A file that is coming.
#[derive(Debug)]
pub struct Incomplete {
    /// Who sends it.
    pub host: String,
    body: Incoming,
    /// The first byte that comes: less than was asked for where a host knows whole files only.
    pub begins_at: u64,
    patience: Duration,
}

impl Incomplete {
    /// The next bytes; `None` after the last.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_hosts_are_asked_and_only_over_tls() {
        let hosts = Hosts {
            known: ["api.example.com", "127.0.0.1:8443", ".push.example.com"]
                .map(str::to_owned)
                .to_vec(),
            patience: Duration::from_secs(1),
        };

        for good in [
            "https://api.example.com/x",
            "https://api.example.com:443/x",
            "https://127.0.0.1:8443/",
            "https://web.push.example.com/a?b",
        ] {
            assert!(hosts.admit(good).is_ok(), "{good}");
        }
        for bad in [
            "http://api.example.com/x",
            "https://api.example.com:8443/x",
            "https://127.0.0.1/",
            "https://push.example.com/",
            "https://evil-push.example.com/",
            "https://web.push.example.com.evil.test/",
            "https://web.push.example.com@evil.test/",
            "https://name@api.example.com/",
            "https://API.example.com.:443/",
            "ftp://api.example.com/",
            "//api.example.com",
            "",
        ] {
            assert!(hosts.admit(bad).is_err(), "{bad}");
        }
    }
}
