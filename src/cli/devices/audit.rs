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

/// Members with a place of their own.
const PLACED: [&str; 5] = ["seq", "at", "event", "text", "hash"];

pub(super) fn show(cx: &Cx) -> Result<(), Failure> {
    let path = cx.dirs.state.join("state.db");
    if path
        .symlink_metadata()
        .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    {
        print::remark("Nothing was done yet.");
        return Ok(());
    }
    let store = Store::look(&path).map_err(anyhow::Error::from)?;
    let whole = audit::verify(&store).map_err(anyhow::Error::from)?;
    audit::read(&store, |line| match cx.format {
        Format::Json => print::json(&line.members()),
        Format::Text => print::line(&sentence(&line)),
    })
    .map_err(anyhow::Error::from)?;
    match whole {
        Ok(_) => Ok(()),
        Err(broken) => Err(Failure::new(Code::NeedsUser, damage(&broken))),
    }
}

/// What a broken chain means to its owner.
pub(crate) fn damage(broken: &audit::Broken) -> String {
    format!(
        "The audit log was changed by somebody: {broken}. Lines before it are as they were written; look who uses this \
         account, and set a new password."
    )
}

/// E.g. `2026-01-31T10:00:00Z login · a login was attempted (result right, source 127.0.0.1)`.
fn sentence(line: &Line) -> String {
    let Value::Object(members) = line.members() else {
        return logs::clean(&line.text);
    };
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let at = |name: &str| members.get(name).map(plain).unwrap_or_default();
    let others: Vec<String> = members
        .iter()
        .filter(|(name, _)| !PLACED.contains(&name.as_str()))
        .map(|(name, value)| format!("{name} {}", plain(value)))
        .collect();
    let mut text = format!("{} {} · {}", at("at"), at("event"), at("text"));
    if !others.is_empty() {
        text.push_str(&format!(" ({})", others.join(", ")));
    }
    // Names of devices are chosen by whoever logs in.
    logs::clean(&text)
}
