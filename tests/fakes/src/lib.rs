//! Scripted programs the tests and the demo run against, where the real thing cannot be had: a model vendor.

pub mod model;
