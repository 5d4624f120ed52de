//! `nexus devices audit`: reads the database, so it works without an agent.

use std::io;

use gateway::audit::{self, Line};
use serde_json::Value;
use store::Store;

use crate::{
    cli::{
        Cx,
        print::{self, Format},
    },
    control::{Code, Failure},
};

pub(super) fn show(cx: &Cx) -> Result<(), Failure> {
    let path = cx.dirs.database();
    if path
        .symlink_metadata()
        .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    {
        print::remark("Nothing was done yet.");
        return Ok(());
    }
    let store = Store::look(&path).map_err(anyhow::Error::from)?;
    let whole = audit::verify(&store).map_err(anyhow::Error::from)?;
    if whole == Ok(audit::Whole::NOTHING) {
        print::remark("Nothing was done yet.");
        return Ok(());
    }
    let shown = audit::read(&store, |line| match cx.format {
        // What stands before the first one tells nothing.
        _ if line.text.is_empty() => true,
        Format::Json => print::json(&Value::Object(line.members())),
        Format::Text => print::line(&sentence(&line)),
    });
    match whole {
        Ok(_) => shown.map_err(|error| anyhow::Error::from(error).into()),
        // Said even when not a line of it can be read.
        Err(broken) => Err(Failure::new(Code::NeedsUser, audit::damage(&broken))),
    }
}

/// E.g. `2026-01-31T10:00:00Z login · a login was attempted (result right, source 127.0.0.1)`.
fn sentence(line: &Line) -> String {
    let told = line.told();
    let mut text = format!("{} {} · {}", told.at, told.event, told.text);
    let others: Vec<String> = told
        .others
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    if !others.is_empty() {
        text.push_str(&format!(" ({})", others.join(", ")));
    }
    // Names of devices are chosen by whoever logs in.
    logs::clean(&text)
}
