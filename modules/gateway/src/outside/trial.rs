//! The guard is tried before anybody is led to it: as a stranger would, from outside.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long it may take.
const TRIAL_MAX: Duration = Duration::from_secs(5);

/// Asks, as cloudflared would, for what only a session may have.
///
/// # Errors
/// What was answered that must not be, or was not answered at all or in time.
pub(super) async fn try_guard(port: u16, host: &str) -> Result<(), String> {
    let trying = try_all(port, host);
    timeout(TRIAL_MAX, trying)
        .await
        .unwrap_or_else(|_late| Err("it did not answer in time".to_owned()))
}

async fn try_all(port: u16, host: &str) -> Result<(), String> {
    for (target, expected) in [
        ("/api/opencode/session", "401"),
        ("/api/status", "401"),
        ("/chat", "401"),
        ("/healthz", "200"),
    ] {
        let status = ask(port, host, target)
            .await
            .map_err(|error| format!("{target} could not be asked: {error}"))?;
        if status != expected {
            return Err(format!("{target} answered {status} instead of {expected}"));
        }
    }
    match ask(port, "nexus.invalid", "/healthz").await {
        Ok(status) if status == "421" => Ok(()),
        Ok(status) => Err(format!("a name that is not ours was answered {status}")),
        Err(error) => Err(format!("a name that is not ours could not be tried: {error}")),
    }
}

/// The status of one request on a connection of its own.
async fn ask(port: u16, host: &str, target: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nCf-Connecting-Ip: 192.0.2.1\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    // A status line is all that is wanted; what follows is read so that the connection ends in peace.
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).await?;
    let line = String::from_utf8_lossy(&answer);
    Ok(line.split(' ').nth(1).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests;
