//! `nexus quit`.

use std::time::{Duration, Instant};

use super::{Cx, print};
use crate::control::{Client, Failure, Instance, Request, instance::InstanceError};

/// The agent ends within seven seconds; then its lock is free.
const END_WAIT: Duration = Duration::from_secs(9);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) fn quit(cx: &Cx, now: bool) -> Result<(), Failure> {
    Client::require(&cx.dirs.run)?.ask(&Request::Quit { now })?;
    let began = Instant::now();
    while matches!(Instance::claim(&cx.dirs.run), Err(InstanceError::Taken)) {
        if began.elapsed() > END_WAIT {
            return Err(Failure::failed(
                "The agent was asked to end but is still there after 9 s. `nexus logs` may say why.",
            ));
        }
        super::pause(LOOK_EVERY);
    }
    if cx.format == print::Format::Json {
        print::json(&serde_json::Value::Null);
    }
    Ok(())
}
