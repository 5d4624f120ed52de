//! Scripted programs the tests and the demo run against, where the real thing cannot be had: a model vendor.

pub mod model;
mod offline;

pub use model::Model;
pub use offline::{MODEL, OTHER_MODEL, PROVIDER, offline_env, provider_config};
