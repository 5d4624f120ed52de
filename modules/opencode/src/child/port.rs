//! Which loopback port the server gets.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// A server of ours that is just being ended may hold the pinned port this long.
const OWN_RELEASE: Duration = Duration::from_secs(3);
/// Pause between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits a little for a pinned port; the sentence that names its holder if it stays taken.
pub(super) async fn wait_for(port: u16) -> Result<(), String> {
    let until = Instant::now() + OWN_RELEASE;
    loop {
        match conflict(port) {
            None => return Ok(()),
            Some(reason) if Instant::now() >= until => return Err(reason),
            Some(_) => sleep(LOOK_EVERY).await,
        }
    }
}

/// Why nothing can listen on `port`, if so: who holds it, and what to do.
pub(crate) fn conflict(port: u16) -> Option<String> {
    let error = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).err()?;
    if error.kind() != io::ErrorKind::AddrInUse {
        return Some(format!(
            "Port {port} cannot be used: {error}. Set another with `nexus settings set opencode.port 0`, which takes any free one."
        ));
    }
    let holder = os::port_owner(port).map_or_else(|| "another program".to_owned(), |owner| owner.to_string());
    Some(format!(
        "Port {port} is taken by {holder}, which is left alone. opencode starts as soon as the port is free; or take any \
         free one with `nexus settings set opencode.port 0`."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_its_holder() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();

        let reason = conflict(port).unwrap();
        assert!(reason.contains(&format!("Port {port} is taken by")), "{reason}");
        assert!(reason.contains(&std::process::id().to_string()), "{reason}");
        drop(listener);
        assert_eq!(conflict(port), None);
    }
}
