//! Scripted programs the tests and the demo run against, where the real thing cannot be had: a model vendor, the
//! public side of a tunnel, a server with releases to download, a browser vendor's push service.

pub mod beside;
pub mod edge;
pub mod ids;
pub mod model;
mod offline;
pub mod push;
pub mod relay;
pub mod release;
mod serve;
pub mod tls;
pub mod wire;

pub use edge::Edge;
pub use model::Model;
pub use offline::{MODEL, OTHER_MODEL, PROVIDER, offline_env, provider_config};
pub use push::{PushService, Pushed};
pub use release::{Fault, Redirect, Release};
pub use serve::serve_until_input_ends;
