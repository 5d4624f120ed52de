//! Stories about the guarded door, told over real sockets against an upstream that records what reaches it.

#![expect(clippy::unwrap_used, reason = "a story ends at its first surprise")]

mod access;
mod away;
mod cross_site;
mod crowds;
mod ends;
mod entering;
mod framing;
mod guessing;
mod house;
mod live;
mod logging;
mod login;
mod outside;
mod pages;
mod pairing;
mod passkeys;
mod port;
mod proxy;
mod second;
mod sessions;
mod siege;
mod throttling;
mod waiting;
