//! The desktop session: tray, windows, notices, browser.
//!
//! Everything here is a skin over plain values: the tray draws a [`Menu`], a notice is a [`Notice`], a page is a
//! path. The agent works without any of it; a missing display, session bus or tray is one line in the log.

mod browser;
mod drive;
mod icons;
pub(crate) mod notices;
mod places;
mod session;
mod tray;
pub(crate) mod tray_host;
mod windows;

use kit::{BoxFuture, Notice};

use crate::{control::Failure, menu::Menu};

pub use drive::{Driver, Sources};
pub use session::{Life, Needs, Session};
pub(crate) use tray::{Spot, beside_the_tray};

/// Where a page was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// In its window.
    Window,
    /// In the browser for want of a window; a sentence that says why and what to do about it.
    Browser(String),
}

/// What can be shown to the person in front of the machine.
pub trait Desktop: Send + Sync + 'static {
    /// Draws the tray. Called when the menu is another than before, and after every choice: systems flip the mark of
    /// a switch by themselves, whatever comes of it.
    fn show_menu(&self, menu: Menu);

    /// Shows a notice, replacing the one with the same key.
    fn show_notice(&self, notice: Notice) -> BoxFuture<'_, ()>;

    /// Takes away what was shown under `key`; harmless when nothing was.
    fn remove_notice(&self, key: String) -> BoxFuture<'_, ()>;

    /// Shows a page, e.g. `/chat`, in its window; in the browser where no window can be had.
    ///
    /// # Errors
    /// A sentence that says why it is not shown and how to get at it.
    fn show_page<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Shown, Failure>>;

    /// Shows a page in the browser.
    ///
    /// # Errors
    /// As above.
    fn browse<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), Failure>>;
}
