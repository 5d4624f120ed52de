//! GTK and WebKitGTK.

use anyhow::Context;
use tao::{platform::unix::WindowExtUnix, window::Window};
use webkit2gtk::WebViewExt;
use wry::{WebView, WebViewBuilder, WebViewBuilderExtUnix, WebViewExtUnix};

/// Connects to the display.
pub(crate) fn init() -> Result<(), String> {
    gtk::init().map_err(|_no_display| {
        "No display can be reached, so no window can be shown. The page is opened in the browser instead."
            .to_owned()
    })
}

/// Puts the page into the window. Works on X11 and Wayland alike, unlike building from a raw window handle.
pub(crate) fn build(builder: WebViewBuilder<'_>, window: &Window) -> anyhow::Result<WebView> {
    let content = window
        .default_vbox()
        .context("the window has no room for a page")?;
    Ok(builder.build_gtk(content)?)
}

/// Calls `then` when the page's process dies; wry itself says nothing of it.
pub(crate) fn on_crash(page: &WebView, then: impl Fn() + 'static) {
    page.webview()
        .connect_web_process_terminated(move |_, _reason| then());
}

/// Wayland does not tell where windows are.
pub(crate) fn tells_position() -> bool {
    std::env::var_os("WAYLAND_DISPLAY").is_none()
}
