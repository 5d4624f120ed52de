//! The command line and the agent in one program.
fn main() {}
