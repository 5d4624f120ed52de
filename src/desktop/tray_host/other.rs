//! macOS and Windows always have a tray.

use kit::CancellationToken;
use tokio::sync::watch;

use super::TrayHost;

/// Asks once.
#[expect(clippy::unused_async, reason = "elsewhere a bus is asked")]
pub(crate) async fn look() -> TrayHost {
    TrayHost::Present
}

/// Nothing ever changes.
pub(super) async fn follow(host: watch::Sender<TrayHost>, stop: CancellationToken) {
    host.send_replace(TrayHost::Present);
    stop.cancelled().await;
}
