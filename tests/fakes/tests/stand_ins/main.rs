//! Stories about the stand-ins themselves: lines, exit codes, ports and times as the real programs have them.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "the helpers outside of test functions: a broken expectation ends the story"
)]

mod edge;
mod ends;
mod faults;
mod named;
mod origin;
mod program;
mod quick;
mod release;
mod visitor;
