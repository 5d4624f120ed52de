//! A session at the door, as a browser would have it.

use std::{future::Future, sync::OnceLock, time::Duration};

use reqwest::{Method, RequestBuilder, header, redirect};
use serde_json::Value;
use tokio::runtime::Runtime;

/// Longest wait for one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Runs a future on the runtime all stories share.
pub fn block_on<F: Future>(future: F) -> F::Output {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap()
        })
        .block_on(future)
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: header::HeaderMap,
    pub body: String,
}

impl Answer {
    /// One header as text; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Somebody at the door, with or without a cookie. Follows no redirect.
#[derive(Clone)]
pub struct Session {
    base: String,
    /// What pages of ours are at, as the browser sees it.
    origin: String,
    cookie: Option<String>,
    http: reqwest::Client,
}

impl Session {
    /// A stranger.
    pub fn stranger(base: &str) -> Self {
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(ANSWER_WAIT)
            .no_proxy()
            .build()
            .unwrap();
        let base = base.trim_end_matches('/').to_owned();
        Self {
            origin: base.clone(),
            base,
            cookie: None,
            http,
        }
    }

    /// A visitor of `https://HOST`, whose way there begins at `edge`, the plain port of Cloudflare's stand-in.
    pub fn visitor(edge: &str, host: &str) -> Self {
        Self {
            origin: format!("https://{host}"),
            ..Self::stranger(&format!("http://{edge}"))
        }
    }

    /// The owner, by a link that enters once.
    #[track_caller]
    pub fn by_link(link: &str) -> Self {
        let url = url::Url::parse(link).unwrap();
        let mut session = Self::stranger(&url.origin().ascii_serialization());
        let ticket = url
            .query_pairs()
            .find(|(name, _)| name == "ticket")
            .expect("a link that enters carries a ticket")
            .1
            .into_owned();
        let answer = session.post_form("/enter", &[("ticket", &ticket)]);
        assert_eq!(answer.status, 303, "the link did not enter: {answer:?}");
        session.keep(&answer);
        session
    }

    /// Takes over the cookie an answer sets.
    #[track_caller]
    pub fn keep(&mut self, answer: &Answer) {
        let cookie = answer.header("set-cookie");
        let pair = cookie.split(';').next().unwrap();
        assert!(!pair.is_empty(), "no cookie was set: {answer:?}");
        self.cookie = Some(pair.to_owned());
    }

    /// The cookie as it is sent, e.g. `"nexus=…"`.
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// Where connections go, as `IP:PORT`.
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// What the browser takes the page's site for, e.g. `"https://grove-amber.trycloudflare.com"`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// A request as a page of ours makes it. Add to it, then [`send`](Self::send).
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let builder = self
            .http
            .request(method, format!("{}{path}", self.base))
            .header("Sec-Fetch-Site", "same-origin")
            .header(header::ORIGIN, &self.origin);
        let builder = match self.origin.strip_prefix("https://") {
            Some(host) => builder.header(header::HOST, host),
            None => builder,
        };
        match &self.cookie {
            Some(cookie) => builder.header(header::COOKIE, cookie),
            None => builder,
        }
    }

    /// Sends and reads to the end.
    #[track_caller]
    pub fn send(&self, request: RequestBuilder) -> Answer {
        block_on(async {
            let response = request.send().await.unwrap();
            Answer {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                body: response.text().await.unwrap(),
            }
        })
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path))
    }

    #[track_caller]
    pub fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.send(
            self.request(Method::POST, path)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(body),
        )
    }

    #[track_caller]
    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body))
    }
}
