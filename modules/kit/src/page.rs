//! What every page shows around its content.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{Caller, Overview};

/// An entry of the navigation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Absolute path, e.g. `/dashboard`.
    pub path: &'static str,
    /// One word.
    pub title: &'static str,
    /// Name in the icon sprite.
    pub icon: &'static str,
}

/// The frame of a page: who looks, where else one can go, how everything is.
///
/// The gateway puts an `Arc<Chrome>` into the extensions of every request behind the login; page handlers take it
/// with `axum::Extension` and hand it to the layout.
#[derive(Debug, Clone)]
pub struct Chrome {
    /// Navigation of all modules.
    pub pages: Arc<[Page]>,
    /// Who looks.
    pub caller: Caller,
    /// The path that was asked for.
    pub path: String,
    /// For the status line of the header.
    pub overview: watch::Receiver<Arc<Overview>>,
}
