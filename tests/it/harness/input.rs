//! Commands that read from standard input.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

/// Runs a command to its end with this on its standard input.
pub fn with_input(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that needs none may be gone before it is written.
    let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}
