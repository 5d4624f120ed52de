//! The command line and the agent in one program: arguments decide which of the two it becomes.

use std::process::ExitCode;

fn main() -> ExitCode {
    opencode_nexus::cli::main()
}
