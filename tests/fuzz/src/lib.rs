//! What must hold for everything that reads what a stranger wrote.
//!
//! Each module has one `check`, which panics when the property is broken, and tests that call it with inputs made by
//! proptest on the stable toolchain. It takes plain bytes and text, so that a coverage-guided fuzzer can call it too.
//! A broken input becomes a test of its own beside the property.

pub mod bytes;
pub mod cookie;
pub mod headers;
pub mod log_line;
pub mod path;
mod strict;
