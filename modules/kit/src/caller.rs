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
    /// When this request came, by the same clock: the gateway's, which is never set back.
    pub asked_at: SystemTime,
}

impl Caller {
    /// Whether it was lately: a page left open on a desk must not open more.
    pub fn is_proved_lately(&self) -> bool {
        let since = self.asked_at.duration_since(self.proved_at);
        since.is_ok_and(|since| since < PROOF_LASTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_lasts_ten_minutes_and_one_of_the_future_is_none() {
        let caller = |proved_s, asked_s| Caller {
            session: "9f3a6c01".to_owned(),
            listener: Listener::Local,
            proved_at: SystemTime::UNIX_EPOCH + Duration::from_secs(proved_s),
            asked_at: SystemTime::UNIX_EPOCH + Duration::from_secs(asked_s),
        };

        assert!(caller(1000, 1000).is_proved_lately());
        assert!(caller(1000, 1599).is_proved_lately());
        assert!(!caller(1000, 1600).is_proved_lately());
        assert!(!caller(1001, 1000).is_proved_lately());
    }
}
