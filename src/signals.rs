//! What the system asks of the agent: end, and end now.

use kit::CancellationToken;

/// Cancels `stop` at the first request to end and returns at the second.
#[cfg(unix)]
pub(crate) async fn watch(stop: CancellationToken) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hangup.recv() => "SIGHUP",
        };
        if stop.is_cancelled() {
            tracing::info!(signal = name, "asked to end at once");
            return Ok(());
        }
        tracing::info!(signal = name, "asked to end");
        stop.cancel();
    }
}

/// Cancels `stop` at the first request to end and returns at the second.
#[cfg(windows)]
pub(crate) async fn watch(stop: CancellationToken) -> std::io::Result<()> {
    use tokio::signal::windows;
    let (mut interrupt, mut close, mut shutdown) = (
        windows::ctrl_c()?,
        windows::ctrl_close()?,
        windows::ctrl_shutdown()?,
    );
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = close.recv() => {}
            _ = shutdown.recv() => {}
        }
        if stop.is_cancelled() {
            return Ok(());
        }
        stop.cancel();
    }
}
