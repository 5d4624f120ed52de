//! `nexus logs`: reads the files, so it works without an agent.

use std::time::{Duration, SystemTime};

use ::logs::{Entry, Follow, Level, Query, QueryError};
use kit::text::sentence;

use super::{
    Cx,
    grammar::Logs,
    print::{self, Format},
};
use crate::control::{Code, Failure};

/// How often new lines are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Lines shown before those that follow.
const CONTEXT_LINES: usize = 20;

pub(super) fn show(cx: &Cx, asked: &Logs) -> Result<(), Failure> {
    let usage = |error: QueryError| Failure::new(Code::Usage, sentence(&error.to_string()));
    let query = Query {
        source: asked.source.clone(),
        level: asked.level.as_deref().map(level).transpose()?,
        pattern: asked
            .grep
            .as_deref()
            .map(::logs::pattern)
            .transpose()
            .map_err(usage)?,
        since: asked
            .since
            .as_deref()
            .map(|text| ::logs::since(text, SystemTime::now()))
            .transpose()
            .map_err(usage)?,
    };
    let failed = |error: std::io::Error| {
        Failure::failed(format!(
            "The logs in {} could not be read: {error}.",
            cx.dirs.logs.display()
        ))
    };
    if !cx.dirs.logs.is_dir() {
        return Err(Failure::failed("There are no logs yet: no agent has run here."));
    }
    if !asked.follow {
        for entry in ::logs::read(&cx.dirs.logs, &query).map_err(failed)? {
            if !tell(&entry, cx.format) {
                break;
            }
        }
        return Ok(());
    }
    let mut follow = Follow::begin(&cx.dirs.logs, query.clone()).map_err(failed)?;
    let mut fresh = ::logs::last(&cx.dirs.logs, &query, CONTEXT_LINES).map_err(failed)?;
    while fresh.iter().all(|entry| tell(entry, cx.format)) {
        super::pause(LOOK_EVERY);
        fresh = follow.more().map_err(failed)?;
    }
    Ok(())
}

fn level(word: &str) -> Result<Level, Failure> {
    Level::named(word).ok_or_else(|| {
        Failure::new(
            Code::Usage,
            format!("`{word}` is no level. Levels are error, warn, info, debug and trace."),
        )
    })
}

fn tell(entry: &Entry, format: Format) -> bool {
    match format {
        Format::Text => print::line(&entry.to_string()),
        Format::Json => match serde_json::to_value(entry) {
            Ok(value) => print::json(&value),
            Err(_) => true,
        },
    }
}
