//! How pages look and move: the layout, its parts, one stylesheet, one script.
//!
//! A page is plain HTML made in Rust with [`page`] around its content; it works as links and forms before any script
//! runs. The script then opens one WebSocket for the view named in [`LiveView`], applies the [`kit::Patch`]es it gets
//! there, and takes care of what only a browser can know: scroll position, focus, relative times, keys. Everything
//! on a page comes from this program, under names that change with the content ([`assets`]).
//!
//! This crate answers no request and knows no module: it turns values into markup.

mod assets;
pub mod form;
mod header;
mod icon;
mod layout;
pub mod live;
pub mod parts;
pub mod qr;
pub mod time;

pub use assets::{Asset, asset_path, assets};
pub use header::{HeaderFeed, header_feed, is_notable};
pub use icon::icon;
pub use layout::{Body, LiveView, bare, page};
pub use maud::{Markup, PreEscaped, Render, html};
