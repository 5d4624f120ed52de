//! What must be true of any child before it is trusted.

use std::net::SocketAddr;

use crate::Refusal;

/// Why a child is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Somebody else has its port, so the good answer came from a stranger.
    PortLost,
    /// As the program would say it.
    Refused(Refusal),
}

/// Judges where the child's tree listens: on this machine only, and on its own port itself. What cannot be seen is
/// refused.
pub(crate) fn judge(
    role: &str,
    port: Option<u16>,
    listening: std::io::Result<Vec<SocketAddr>>,
) -> Result<Vec<SocketAddr>, Fault> {
    let listening = listening.map_err(|error| {
        Fault::Refused(Refusal::Transient(format!(
            "it could not be seen where {role} listens: {error}"
        )))
    })?;
    if let Some(open) = listening.iter().find(|address| !address.ip().is_loopback()) {
        return Err(Fault::Refused(Refusal::Permanent {
            reason: format!(
                "{role} listens on {open}, where other machines can reach it, so it was ended. Look for hostname, \
                 mdns or similar in its settings and start it again."
            ),
            recheck: None,
        }));
    }
    match port {
        Some(port) if !listening.iter().any(|address| address.port() == port) => Err(Fault::PortLost),
        Some(_) | None => Ok(listening),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_only_its_own_port_pass() {
        let addresses =
            |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let verdict = |port, texts: &[&str]| match judge("opencode", port, Ok(addresses(texts))) {
            Ok(_) => "pass",
            Err(Fault::PortLost) => "lost",
            Err(Fault::Refused(Refusal::Permanent { .. })) => "never",
            Err(Fault::Refused(
                Refusal::Transient(_) | Refusal::Exhausted(_) | Refusal::Throttled { .. },
            )) => "later",
        };

        assert_eq!(verdict(Some(80), &["127.0.0.1:80"]), "pass");
        assert_eq!(verdict(Some(80), &["[::1]:80", "127.0.0.1:9"]), "pass");
        assert_eq!(verdict(None, &[]), "pass");
        assert_eq!(verdict(Some(80), &["127.0.0.1:81"]), "lost");
        assert_eq!(verdict(Some(80), &[]), "lost");
        assert_eq!(verdict(Some(80), &["127.0.0.1:80", "0.0.0.0:81"]), "never");
        assert_eq!(verdict(Some(80), &["[::]:80"]), "never");
        assert_eq!(verdict(Some(80), &["192.168.1.4:80"]), "never");
        assert!(matches!(
            judge("opencode", None, Err(std::io::ErrorKind::PermissionDenied.into())),
            Err(Fault::Refused(Refusal::Transient(_)))
        ));
    }
}
