//! What the tunnel and the gateway agree on, as plain values: the root passes each what the other says.

/// What the tunnel wants of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outside {
    /// Whether the port that only cloudflared is given is to be open.
    pub is_wanted: bool,
    /// While it is not wanted: whether nobody else is to get the port yet, because a cloudflared may still lead to it.
    pub is_held: bool,
    /// Which port; 0 takes the one of last time, or any.
    pub port: u16,
    /// The names under which requests from outside are answered, e.g. `"nexus.example.com"`. None: no request is.
    pub hosts: Vec<String>,
    /// Whether these names are the same after the next start, so that something may be kept for them.
    pub is_lasting: bool,
}

/// Where the port stands that only cloudflared is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// Not wanted, not there.
    #[default]
    Closed,
    /// On its way.
    Opening,
    /// Something that must hold does not, so nothing is served there. One sentence with what to do.
    Refused(String),
    /// It could not be had although everything holds. One sentence with what to do; it is true until a further try, so
    /// nothing takes it back.
    Unopened(String),
    /// Serving on this loopback port, and proven to let nobody in without a login.
    Open(u16),
}
