//! The notification centres of macOS and Windows.

use kit::{Action, CancellationToken, Notice};
use tokio::sync::mpsc;

/// Shows notices.
pub(crate) struct Bubbles;

impl Bubbles {
    /// Nothing to connect to.
    pub(crate) fn new() -> Self {
        Self
    }

    /// Shows a notice.
    pub(crate) async fn show(&self, notice: Notice) {
        let shown = tokio::task::spawn_blocking(move || {
            notify_rust::Notification::new()
                .appname("OpenCode Nexus")
                .summary(&notice.title)
                .body(&notice.body)
                .show()
                .map(drop)
        });
        match shown.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a notice was not shown"),
            Err(error) => tracing::debug!(%error, "a notice was not shown"),
        }
    }

    /// Bubbles go by themselves there.
    pub(crate) async fn remove(&self, _key: String) {}

    /// Clicks are not told there.
    pub(crate) async fn listen(&self, _choices: mpsc::Sender<Action>, stop: CancellationToken) {
        stop.cancelled().await;
    }
}

/// What shows notices here.
#[expect(clippy::unused_async, reason = "elsewhere a bus is asked")]
pub(crate) async fn name() -> Option<String> {
    Some("The system".to_owned())
}
