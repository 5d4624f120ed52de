//! The window process.
fn main() {}
