//! The command line: arguments in, one command out, its result as text or JSON and an exit status.
//!
//! Commands that only ask the running agent start no runtime and load nothing, so that they answer at once. What a
//! module can be asked for (`nexus server restart`) is declared by the module and added to the grammar here.

pub(crate) mod devices;
pub(crate) mod doctor;
mod grammar;
mod input;
mod logs;
mod offline;
pub(crate) mod password;
pub(crate) mod print;
mod progress;
mod quit;
mod run;
pub(crate) mod secret;
pub(crate) mod settings;
mod start;
mod status;
pub(crate) mod verb;

use std::{process::ExitCode, time::Duration};

use clap::{CommandFactory, FromArgMatches, error::ErrorKind};
use kit::Dirs;

use crate::control::{Code, Failure};
use grammar::{Cli, Command};
use print::Format;

/// What every command is given.
struct Cx {
    dirs: Dirs,
    format: Format,
}

/// The program.
pub fn main() -> ExitCode {
    let matches = match grammar::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return explain(&error),
    };
    let format = if matches.get_flag("json") {
        Format::Json
    } else {
        Format::Text
    };
    match dispatch(&matches, format) {
        Ok(code) => code,
        Err(failure) => {
            print::failure(&failure, format);
            ExitCode::from(failure.code.exit_status())
        }
    }
}

fn dispatch(matches: &clap::ArgMatches, format: Format) -> Result<ExitCode, Failure> {
    let dirs = Dirs::resolve(
        std::env::var_os("NEXUS_HOME")
            .as_deref()
            .map(std::path::Path::new),
    )
    .map_err(anyhow::Error::from)?;
    let cx = Cx { dirs, format };
    if grammar::is_pairing(matches) {
        return devices::act(&cx, grammar::Devices::Pair).map(|()| ExitCode::SUCCESS);
    }
    if let Some((noun, verb)) = verb::find(matches) {
        return verb::ask(&cx, noun, verb).map(|()| ExitCode::SUCCESS);
    }
    let cli = Cli::from_arg_matches(matches)
        .map_err(|error| Failure::new(Code::Usage, error.format(&mut Cli::command()).to_string()))?;
    match cli.command {
        None => start::show(&cx, None),
        Some(Command::Run(how)) => return run::run(&cx, &how),
        Some(Command::Status { watch }) => status::show(&cx, watch),
        Some(Command::Open { page, print_url }) => start::open(&cx, page, print_url),
        Some(Command::Settings { act }) => settings::act(&cx, act),
        Some(Command::Password { act }) => password::act(&cx, act),
        Some(Command::Devices { act }) => devices::act(&cx, act),
        Some(Command::Secret { act }) => secret::act(&cx, act),
        Some(Command::Logs(asked)) => logs::show(&cx, &asked),
        Some(Command::Doctor) => return doctor::check(&cx),
        Some(Command::Quit { now }) => quit::quit(&cx, now),
        Some(Command::Completions { shell }) => {
            grammar::completions(shell);
            Ok(())
        }
    }
    .map(|()| ExitCode::SUCCESS)
}

/// What clap has to say: help and version on stdout with 0, mistakes on stderr with 2.
fn explain(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        print::line(text.trim_end());
        return ExitCode::SUCCESS;
    }
    if std::env::args().any(|argument| argument == "--json") {
        let message = text.trim().trim_start_matches("error: ").to_owned();
        print::failure(&Failure::new(Code::Usage, message), Format::Json);
    } else {
        print::remark(text.trim_end());
    }
    ExitCode::from(Code::Usage.exit_status())
}

/// Runs a short piece of async work in a command that has no runtime.
fn wait_for<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    Ok(runtime.block_on(work))
}

/// Waits between two looks at another process or file.
#[expect(
    clippy::disallowed_methods,
    reason = "a short-lived command without a runtime waits for something outside"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
