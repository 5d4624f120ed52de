//! macOS and Windows.

use tao::window::Window;
use wry::{WebView, WebViewBuilder};

/// Nothing to connect to.
#[expect(clippy::unnecessary_wraps, reason = "the other platform can fail here")]
pub(crate) fn init() -> Result<(), String> {
    Ok(())
}

/// Puts the page into the window.
pub(crate) fn build(builder: WebViewBuilder<'_>, window: &Window) -> anyhow::Result<WebView> {
    Ok(builder.build(window)?)
}

/// The system's web view restarts its process by itself.
pub(crate) fn on_crash(_page: &WebView, _then: impl Fn() + 'static) {}

/// Windows have a position.
pub(crate) fn tells_position() -> bool {
    true
}
