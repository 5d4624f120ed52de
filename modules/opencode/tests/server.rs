//! The module with the real opencode and the scripted model.

#[path = "server/chat.rs"]
mod chat;
#[path = "server/keeping.rs"]
mod keeping;
#[path = "server/rig.rs"]
mod rig;
