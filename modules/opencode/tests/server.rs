//! The module with the real opencode and the scripted model.
#![cfg(unix)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a story looks for one event and skips all others"
)]
#![expect(clippy::unwrap_used, reason = "these are tests, their common parts included")]

#[path = "server/chat.rs"]
mod chat;
#[path = "server/keeping.rs"]
mod keeping;
#[path = "server/planned.rs"]
mod planned;
#[path = "server/rig.rs"]
mod rig;
#[path = "server/sessions.rs"]
mod sessions;
