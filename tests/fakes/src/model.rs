//! A model that says what it is told to: an OpenAI-compatible streaming server on loopback.
//!
//! What it answers is written into the prompt as markers ([`Script`]), so that a test reads as one story: `Write a
//! lot [[markdown:2000]] [[rate:300]]`. A prompt without markers gets a short friendly answer that shows off what the
//! chat can draw; that is what the demo runs on. Every text is exported, so a test knows what it must find.

mod answer;
mod request;
mod script;
mod serve;
pub mod text;

pub use script::{Item, Script, Trouble};
pub use serve::Model;

#[cfg(test)]
mod tests;
