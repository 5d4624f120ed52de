//! One HTTP exchange: bounded in time and size, and only with the server of this moment.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Method, Response, header};
use serde::{Serialize, de::DeserializeOwned};

use super::{Api, ApiError, error::message_of};
use crate::events::Link;

/// How long a listing or a small change may take. The first use of a folder costs seconds on a busy machine.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a call may take that ends with the model's turn.
pub(super) const TURN_TIMEOUT: Duration = Duration::from_secs(6 * 60 * 60);
/// Connecting on loopback takes well under a millisecond.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Largest answer that is read. 2,000 messages are 2 MB, the whole catalogue of models 7 MB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Idle connections kept.
const IDLE_CONNECTIONS_MAX: usize = 4;
/// For how long.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// The client for all calls: loopback only, so no proxy and no redirect is ever followed.
pub(crate) fn client() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .pool_idle_timeout(IDLE_MAX)
        .build()?;
    Ok(client)
}

/// A request being put together.
pub(super) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Result<Vec<u8>, serde_json::Error>>,
    timeout: Duration,
}

/// An answer that was accepted.
pub(super) struct Answer {
    body: Vec<u8>,
    /// Where the next page begins.
    pub(super) next_cursor: Option<String>,
}

impl Call {
    /// `path` is joined from parts; each is encoded, so that an id can never become another path.
    pub(super) fn new(method: Method, path: &[&str], directory: &str) -> Self {
        let mut query = Vec::new();
        if !directory.is_empty() {
            query.push(("directory", directory.to_owned()));
        }
        Self {
            method,
            path: path.iter().map(|part| format!("/{}", encoded(part))).collect(),
            query,
            body: None,
            timeout: CALL_TIMEOUT,
        }
    }

    pub(super) fn get(path: &[&str], directory: &str) -> Self {
        Self::new(Method::GET, path, directory)
    }

    pub(super) fn post(path: &[&str], directory: &str) -> Self {
        Self::new(Method::POST, path, directory)
    }

    pub(super) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(super) fn query_some(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    pub(super) fn json(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_vec(body));
        self
    }

    pub(super) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// Percent-encodes one part of a path.
fn encoded(part: &str) -> String {
    let mut text = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => text.push(char::from(byte)),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

impl Answer {
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body).map_err(|error| ApiError::Malformed {
            what: error.to_string(),
        })
    }
}

impl Api {
    /// Why nothing can be asked now.
    pub(super) fn down(&self) -> ApiError {
        let reason = match &*self.hub.link().borrow() {
            Link::Down { reason } => reason.clone(),
            Link::Up { .. } => "the connection broke".to_owned(),
        };
        ApiError::Down { reason }
    }

    pub(super) async fn fetch<T: DeserializeOwned>(&self, call: Call) -> Result<T, ApiError> {
        self.send(call).await?.read()
    }

    /// Sends a call whose answer does not matter once it was accepted.
    pub(super) async fn tell(&self, call: Call) -> Result<(), ApiError> {
        self.send(call).await.map(|_accepted| ())
    }

    pub(super) async fn send(&self, call: Call) -> Result<Answer, ApiError> {
        let upstream = self.upstream.borrow().clone().ok_or_else(|| self.down())?;
        let url = format!("http://{}{}", upstream.address, call.path);
        let mut request = self
            .http
            .request(call.method, url)
            .query(&call.query)
            .header(header::AUTHORIZATION, upstream.authorization.expose())
            .timeout(call.timeout);
        if let Some(body) = call.body {
            let body = body.map_err(|error| ApiError::Malformed {
                what: format!("the request itself: {error}"),
            })?;
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body);
        }
        let failed = |error: reqwest::Error| {
            if error.is_timeout() && !error.is_connect() {
                ApiError::Timeout {
                    seconds: call.timeout.as_secs(),
                }
            } else {
                self.down()
            }
        };
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let is_json = content_type_is_json(&response);
        let next_cursor = response
            .headers()
            .get("x-next-cursor")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let body = read_bounded(response).await.map_err(|broken| match broken {
            Broken::TooLarge => ApiError::Malformed {
                what: format!("it is larger than {} MiB", ANSWER_BYTES_MAX / 1024 / 1024),
            },
            Broken::Transport(error) => failed(error),
        })?;
        if !status.is_success() {
            return Err(ApiError::Refused {
                status: status.as_u16(),
                message: message_of(status.as_u16(), &body),
            });
        }
        // A path the server does not know is answered 200 with its web page.
        if !is_json && !body.is_empty() {
            return Err(ApiError::Malformed {
                what: "it is not JSON, so this server may be too old or too new".to_owned(),
            });
        }
        Ok(Answer { body, next_cursor })
    }
}

enum Broken {
    TooLarge,
    Transport(reqwest::Error),
}

fn content_type_is_json(response: &Response) -> bool {
    let found = response.headers().get(header::CONTENT_TYPE);
    found
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"))
}

async fn read_bounded(response: Response) -> Result<Vec<u8>, Broken> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(Broken::Transport)?;
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Broken::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_never_becomes_another_path() {
        let call = Call::get(&["session", "../../pty?x=1", "message"], "");

        assert_eq!(call.path, "/session/%2E%2E%2F%2E%2E%2Fpty%3Fx%3D1/message");
    }

    #[test]
    fn the_words_of_an_error_are_found_wherever_they_are() {
        let check = |body: &str, expected: &str| assert_eq!(message_of(500, body.as_bytes()), expected);
        check(
            r#"{"name":"UnknownError","data":{"message":"no such thing","ref":"x"}}"#,
            "no such thing",
        );
        check(r#"{"_tag":"SessionBusyError","message":"busy"}"#, "busy");
        check(r#"{"_tag":"SessionBusyError"}"#, "SessionBusyError");
        check("plain words", "plain words");
        check("<!doctype html>", "status 500");
        check("", "status 500");
    }
}
