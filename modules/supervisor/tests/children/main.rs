//! Stories with real processes: small shell scripts that behave as children do on bad days.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "outside of test functions too, a broken expectation ends the story"
)]

mod ending;
mod history;
mod nursery;
mod refusal;
mod restarting;
