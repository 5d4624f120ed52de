//! Settings: described once, kept in one TOML file, watched by whoever uses them.
//!
//! A module declares a [`Section`]: a `serde` struct with defaults and a table of [`Field`]s. The form on the page,
//! `nexus settings` and the validation of the file all come from that table. [`SettingsFile`] owns the file: it keeps
//! comments and keys it does not know, replaces the file atomically, and never lets a bad value through.

mod fault;
mod field;
mod file;
mod problem;
mod value;

pub use fault::Fault;
pub use field::{Applies, Field, Kind, Section};
pub use file::{Entry, Setting, SettingsFile};
pub use problem::{Problem, SettingsError};
