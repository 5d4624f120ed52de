//! `nexus run`: this process becomes the agent's monitor, which starts it, unless an agent runs already.

use std::process::ExitCode;

use serde_json::Value;
use supervisor::monitor::{self, Entered, Restarts};

use super::{Cx, grammar::Run, print};
use crate::{
    agent::{self, Start},
    control::{Client, Failure, Instance, Request, instance::InstanceError},
};

pub(super) fn run(cx: &Cx, how: &Run) -> Result<ExitCode, Failure> {
    cx.dirs.create().map_err(anyhow::Error::from)?;
    if let Some(client) = Client::connect(&cx.dirs.run).map_err(anyhow::Error::from)? {
        return second(client, how);
    }
    match monitor::enter(Restarts::from_environment()).map_err(anyhow::Error::from)? {
        Entered::Ended(code) => Ok(code),
        Entered::Agent => become_agent(cx, how),
    }
}

fn become_agent(cx: &Cx, how: &Run) -> Result<ExitCode, Failure> {
    let start = Start {
        is_headless: how.headless,
        is_background: how.background,
        is_demo: how.demo,
    };
    loop {
        match Instance::claim(&cx.dirs.run) {
            Ok(instance) => return agent::run(cx.dirs.clone(), start, instance).map_err(Failure::from),
            Err(InstanceError::Taken) => {
                if let Some(client) = Client::connect(&cx.dirs.run).map_err(anyhow::Error::from)? {
                    return second(client, how);
                }
                // The lock was held by something that is gone again: a command, or an agent that just ended.
            }
            Err(error) => return Err(anyhow::Error::from(error).into()),
        }
    }
}

/// A second start brings up the first one's window.
fn second(mut client: Client, how: &Run) -> Result<ExitCode, Failure> {
    if how.background || how.headless {
        print::remark("An agent is running already.");
        return Ok(ExitCode::SUCCESS);
    }
    match client.ask(&Request::Show { page: None }) {
        Ok(Value::String(why)) => print::remark(&format!("An agent is running already. {why}")),
        Ok(_) => print::remark("An agent is running already; its window is shown."),
        Err(failure) => print::remark(&format!("An agent is running already. {}", failure.message)),
    }
    Ok(ExitCode::SUCCESS)
}
