//! OpenCode Nexus: an agent in the tray that keeps `opencode serve` alive, and lets its owner talk to it.
//!
//! *Theory of operation.* [`cli`] turns arguments into one command. Most commands are questions to the agent that
//! runs already, asked over its [`control`] socket. `nexus run` becomes that agent: [`modules`] builds every ability
//! in order (read it first), [`host`] runs them and merges their statuses into one overview, and everything a person
//! sees of it (tray, pages, `nexus status`) is computed from that overview.
//!
//! This is the only crate that touches the desktop session, behind one trait. It never draws windows itself: a web
//! engine never gives its memory back and dies with the display, so windows belong to `nexus-window`, a process that
//! ends with its last window.

pub mod agent;
pub mod cli;
pub mod control;
mod desk;
pub mod desktop;
pub mod entrance;
mod greeting;
pub mod host;
pub mod menu;
pub mod modules;
pub mod secrets;
mod signals;
