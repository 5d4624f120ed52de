//! How the edge treats visitors and stand-ins, until told otherwise.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Changed in part by `POST /rules`, e.g. `{"hold_back":"never","header_wait_ms":500}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Whose streamed answers to GET are held back until the origin ends them.
    pub hold_back: HoldBack,
    /// Requests in flight per quick tunnel; one more is answered with 429.
    pub in_flight_max: usize,
    /// Milliseconds until an origin that has sent no headers is given up with 524.
    pub header_wait_ms: u64,
    /// Largest body of a request; a larger one is answered with 413.
    pub body_bytes_max: u64,
    /// How registrations are answered.
    pub register: Refusal,
    /// Whether a connection that unregisters is closed once nothing is in flight. When not, the stand-in stays for its
    /// whole grace period.
    pub closes_at_stop: bool,
    /// What visitors of the port without TLS are said to have used: `"http"` or `"https"`.
    pub plain_scheme: String,
    /// The country of every visitor.
    pub country: String,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            hold_back: HoldBack::Quick,
            in_flight_max: 200,
            header_wait_ms: 100_000,
            body_bytes_max: 100_000_000,
            register: Refusal::None,
            closes_at_stop: true,
            plain_scheme: "http".to_owned(),
            country: "GB".to_owned(),
        }
    }
}

impl Rules {
    pub(super) fn header_wait(&self) -> Duration {
        Duration::from_millis(self.header_wait_ms)
    }
}

/// Streamed answers have no `Content-Length`. Those to POST and WebSockets are always passed on as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldBack {
    /// As the real edge does: those of quick tunnels alone.
    Quick,
    /// Nobody's.
    Never,
    /// Everybody's.
    Always,
}

/// What a stand-in hears when it registers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The secret is examined, and that is all.
    None,
    /// `Unauthorized: Invalid tunnel secret`, to all.
    Unauthorized,
    /// `Unauthorized: Tunnel not found`, to all.
    NotFound,
    /// Nothing at all, which a stand-in gives up after 5 s.
    Silent,
    /// This text, which ends a process over HTTP/2 when it is its first connection.
    Final(String),
}
