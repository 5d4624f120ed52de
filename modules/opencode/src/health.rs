//! Asking a server whether it works.

use std::time::Duration;

use anyhow::Context;
use futures_util::{StreamExt, stream::FuturesUnordered};
use kit::Upstream;
use reqwest::{RequestBuilder, header};
use serde::Deserialize;
use tokio::time::interval;

/// For the questions the supervisor does not bound itself.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Pause between two questions to a starting server.
const ASK_AGAIN_EVERY: Duration = Duration::from_millis(100);
/// Questions to a starting server within one probe.
const ASKED_MAX: usize = 5;

/// The answer of `GET /global/health`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Answer {
    #[serde(rename = "healthy")]
    pub(crate) is_healthy: bool,
    #[serde(default)]
    pub(crate) version: String,
}

/// Asks servers, each time on a fresh connection: one that was opened just before the server was ready is never
/// answered (seen with 1.18.33), and an answer on an old connection proves nothing about new ones.
pub(crate) struct Health {
    http: reqwest::Client,
}

impl Health {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(TIMEOUT)
            .build()
            .context("could not make the HTTP client for opencode's health")?;
        Ok(Self { http })
    }

    /// What the server says of itself; `None` for anything but an authenticated answer that makes sense.
    pub(crate) async fn ask(&self, upstream: &Upstream) -> Option<Answer> {
        let response = with_password(self.get(upstream), upstream).send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        response.json().await.ok()
    }

    /// As [`ask`](Self::ask), for a server that is just starting: asks again while earlier requests wait, because those
    /// that came too early are never answered.
    pub(crate) async fn ask_starting(&self, upstream: &Upstream) -> Option<Answer> {
        let mut asked = FuturesUnordered::new();
        let mut ticks = interval(ASK_AGAIN_EVERY);
        let mut count = 0;
        loop {
            tokio::select! {
                _ = ticks.tick(), if count < ASKED_MAX => {
                    asked.push(self.ask(upstream));
                    count += 1;
                }
                Some(answer) = asked.next() => if answer.is_some() { return answer },
                else => return None,
            }
        }
    }

    /// The status of the same request without credentials; `None` without an answer.
    pub(crate) async fn status_without_password(&self, upstream: &Upstream) -> Option<u16> {
        let response = self.get(upstream).send().await.ok()?;
        Some(response.status().as_u16())
    }

    /// Has the server end its work: turns are aborted, tools killed. What becomes of the request does not matter, the
    /// process is ended next.
    pub(crate) async fn dispose(&self, upstream: &Upstream) {
        let request = self
            .http
            .post(format!("http://{}/global/dispose", upstream.address));
        if let Err(error) = with_password(request, upstream).send().await {
            tracing::debug!(%error, "opencode did not wind down by itself");
        }
    }

    fn get(&self, upstream: &Upstream) -> RequestBuilder {
        self.http
            .get(format!("http://{}/global/health", upstream.address))
    }
}

fn with_password(request: RequestBuilder, upstream: &Upstream) -> RequestBuilder {
    request.header(header::AUTHORIZATION, upstream.authorization.expose())
}
