//! Keeps a child process alive, and knows nothing of what it is.

mod phase;
mod program;

pub use phase::Phase;
pub use program::{Command, Gate, Probe, Program, Refusal};
