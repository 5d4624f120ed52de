//! Stories about the whole program: the real binary, the real opencode, a scripted model.
//!
//! One file per story. Each starts what it needs through [`harness`], on ephemeral ports and in a folder of its own,
//! and leaves nothing behind: the harness looks for survivors and fails the story that has any.
#![cfg(unix)]
#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "the harness outside of test functions: a broken expectation ends the story"
)]

mod harness;

mod cli;
mod control;
mod desktop;
mod desktop_rig;
mod edges;
mod outside;
mod readme;
mod security;
mod start;
mod supervision;
mod tidy;
