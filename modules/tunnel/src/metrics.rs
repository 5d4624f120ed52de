//! Asking cloudflared about itself, over its loopback port for metrics.

use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, de::DeserializeOwned};

use crate::ingress::Served;

/// It answers within a millisecond, or it hangs.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The answer of `/ready`, which has the same form with status 503.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Ready {
    /// Connections to Cloudflare that work.
    #[serde(rename = "readyConnections")]
    pub(crate) connections: u32,
}

#[derive(Deserialize)]
struct Quick {
    hostname: String,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    http: reqwest::Client,
}

impl Metrics {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // Another process may have taken the port since.
            .pool_max_idle_per_host(0)
            .timeout(TIMEOUT)
            .build()
            .context("could not make the HTTP client for cloudflared's figures")?;
        Ok(Self { http })
    }

    /// Whether it is connected; `None` when it does not answer.
    pub(crate) async fn ready(&self, port: u16) -> Option<Ready> {
        self.get(port, "ready").await
    }

    /// The name of a quick tunnel, as far as it is one of Cloudflare's.
    pub(crate) async fn quick_host(&self, port: u16) -> Option<String> {
        let Quick { hostname } = self.get(port, "quicktunnel").await?;
        let label = hostname.strip_suffix(".trycloudflare.com")?;
        (!label.contains('.') && crate::settings::is_host(&hostname)).then_some(hostname)
    }

    /// What it serves; `None` when it does not say.
    pub(crate) async fn served(&self, port: u16) -> Option<Served> {
        self.get(port, "config").await
    }

    async fn get<T: DeserializeOwned>(&self, port: u16, what: &str) -> Option<T> {
        let response = self
            .http
            .get(format!("http://127.0.0.1:{port}/{what}"))
            .send()
            .await
            .ok()?;
        response.json().await.ok()
    }
}
