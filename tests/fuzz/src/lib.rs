//! What must hold for everything that reads what a stranger wrote.
//!
//! Each module has one `check`, which panics when the property is broken, and tests that call it with inputs made by
//! proptest on the stable toolchain. `targets/` calls the same functions from libFuzzer where a nightly one exists.
//! A broken input becomes a test of its own beside the property.

pub mod bytes;
pub mod cookie;
pub mod headers;
pub mod path;
mod strict;
