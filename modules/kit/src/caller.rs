//! Who a request comes from, as established by the gateway before any module sees it.

use std::time::{Duration, SystemTime};

/// The socket that accepted a request. What is remote is known by this alone, never by a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listener {
    /// The port for this machine.
    Local,
    /// The port only cloudflared is given.
    Tunnel,
}

impl Listener {
    /// `"local"` or `"tunnel"`: the value in the database and in log fields.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Tunnel => "tunnel",
        }
    }
}

/// How long a proof of who somebody is is enough for what opens something.
const PROOF_LASTS: Duration = Duration::from_secs(600);

/// An authenticated caller. The gateway puts one into the extensions of every request behind the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Names the session in lists and logs; reveals nothing about its token.
    pub session: String,
    /// The listener that accepted the request.
    pub listener: Listener,
    /// When this person last proved who they are (password or ticket).
    pub proved_at: SystemTime,
}

impl Caller {
    /// Whether it was lately: a page left open on a desk must not open more.
    pub fn is_proved_lately(&self, now: SystemTime) -> bool {
        now.duration_since(self.proved_at).unwrap_or_default() < PROOF_LASTS
    }
}
