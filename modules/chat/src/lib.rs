//! The chat.
pub mod code;
pub mod markdown;
#[cfg(test)]
mod page_model;
pub mod text;
