//! What the stand-in for cloudflared and the edge say to each other: one JSON object a line over a loopback socket.
//!
//! The stand-in dials, says [`Hello`], and keeps the socket open for as long as it is connected. Requests come over
//! plain HTTP/1.1 connections the edge makes to [`Hello::data`], one each, with [`CONNECTION`] saying over which of the
//! connections they count.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Names the index of the connection a request came over. Never reaches the origin.
pub const CONNECTION: &str = "x-stand-in-connection";

/// The first line of the stand-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// UUID of the tunnel.
    pub tunnel: String,
    /// Base64.
    pub secret: String,
    /// UUID, one per process.
    pub connector: String,
    /// 0 to 3.
    pub index: usize,
    /// `"quic"` or `"http2"`.
    pub protocol: String,
    /// Where requests are taken.
    pub data: SocketAddr,
}

/// Later lines of the stand-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Up {
    /// No further requests; the edge closes once those in flight have ended.
    Unregister,
}

/// Lines of the edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Down {
    /// The tunnel is connected over this socket.
    Registered {
        /// UUID of the connection.
        connection: String,
        /// E.g. `"lhr01"`.
        location: String,
    },
    /// It is not, and the edge closes the socket.
    Refused {
        /// E.g. `"Unauthorized: Invalid tunnel secret"`.
        reason: String,
        /// Whether the real program gives up over HTTP/2 when its first connection hears this.
        is_final: bool,
    },
    /// New rules for a tunnel that is managed from outside.
    Config {
        /// `{"ingress":[…],"warp-routing":{…}}`
        config: Value,
        /// Rises with each push, from 1.
        version: i64,
    },
}
