//! The command line is a promise to scripts: every verb, its output and its exit status.

mod agent;
mod audit;
mod exits;
mod files;
mod owner;
mod server;

use std::process::{Command, Output, Stdio};

use crate::harness::Home;

const PASSWORD: &str = "seven quiet otters paint the harbour";

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

fn nexus(home: &Home, arguments: &[&str]) -> Output {
    run(home.nexus_command().args(arguments))
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
}

#[track_caller]
fn check(output: &Output, code: i32, out: &str, err: &str) {
    let found = (output.status.code(), stdout(output), stderr(output));
    assert!(
        found.0 == Some(code) && found.1.contains(out) && found.2.contains(err),
        "expected {code}, {out:?} and {err:?}: {found:?}"
    );
}
