//! Keeps `opencode serve` running and speaks with it.

pub mod api;
pub mod events;
pub mod wire;

pub use api::{Api, ApiError};
pub use events::{EventReader, Events, Link, Signal};
