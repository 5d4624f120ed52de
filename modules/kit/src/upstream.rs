//! Where the guarded door leads to.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::Secret;

/// A healthy opencode server as the gateway needs to know it. Only the agent's own processes ever see this value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Loopback address of the server.
    pub address: SocketAddr,
    /// Complete value of the `Authorization` header, made new at each start.
    pub authorization: Secret,
}

/// A fan-out of the server's event stream: each item is one event as it stands in a `text/event-stream`, made once for
/// all who read it. One reader serves all.
pub type EventTap = std::sync::Arc<dyn Fn() -> futures_util::stream::BoxStream<'static, Bytes> + Send + Sync>;
