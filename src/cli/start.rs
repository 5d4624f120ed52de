//! `nexus` and `nexus open`: have an agent, then show a page.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::Cx;
use crate::control::{Client, Failure, Request};

/// How long a freshly started agent may take until it answers.
const START_WAIT: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// `nexus`: starts an agent in the background if none runs, then shows a page.
pub(super) fn show(cx: &Cx, page: Option<String>) -> Result<(), Failure> {
    let connected = Client::connect(&cx.dirs.run).map_err(anyhow::Error::from)?;
    let mut client = match connected {
        Some(client) => client,
        None => start(cx)?,
    };
    let answer = client.ask(&Request::Show { page })?;
    super::verb::show(&answer, cx.format);
    Ok(())
}

/// `nexus open`.
pub(super) fn open(cx: &Cx, page: Option<String>, print_url: bool) -> Result<(), Failure> {
    let mut client = Client::require(&cx.dirs.run)?;
    let request = if print_url {
        Request::Link { page }
    } else {
        Request::Show { page }
    };
    let answer = client.ask(&request)?;
    super::verb::show(&answer, cx.format);
    Ok(())
}

/// Starts `nexus run --background` in a session of its own and waits until it answers.
fn start(cx: &Cx) -> Result<Client, Failure> {
    cx.dirs.create().map_err(anyhow::Error::from)?;
    let said = cx.dirs.run.join("start.log");
    let stderr = kit::files::private()
        .create(true)
        .write(true)
        .truncate(true)
        .open(&said)
        .map_err(anyhow::Error::from)?;
    let program = std::env::current_exe().map_err(anyhow::Error::from)?;
    let mut command = Command::new(program);
    command
        .args(["run", "--background"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr);
    detach(&mut command);
    let mut child = command
        .spawn()
        .map_err(|error| Failure::failed(format!("The agent could not be started: {error}.")))?;
    let began = Instant::now();
    loop {
        if let Some(client) = Client::connect(&cx.dirs.run).map_err(anyhow::Error::from)? {
            return Ok(client);
        }
        if let Ok(Some(_ended)) = child.try_wait() {
            let said = std::fs::read_to_string(&said).unwrap_or_default();
            let reason = said.trim().lines().last().unwrap_or("It ended without a word.");
            return Err(Failure::failed(format!("The agent did not start. {reason}")));
        }
        if began.elapsed() > START_WAIT {
            return Err(Failure::failed(format!(
                "The agent was started but does not answer after {} s. Its log is in {}.",
                START_WAIT.as_secs(),
                cx.dirs.logs.display()
            )));
        }
        super::pause(LOOK_EVERY);
    }
}

/// A terminal that closes must not take the agent along.
#[cfg(unix)]
fn detach(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(windows)]
fn detach(command: &mut Command) {
    const DETACHED_PROCESS: u32 = 0x8;
    std::os::windows::process::CommandExt::creation_flags(command, DETACHED_PROCESS);
}
