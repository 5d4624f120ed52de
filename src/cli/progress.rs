//! How far something is, beside a command that waits for it.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::print;
use crate::control::{Client, Request};

/// The fact of a module that says how far it is.
const FACT: &str = "Download";

/// Where nothing can be written over, a line this often says enough.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shown until it is dropped. What is written after that stands in a line of its own.
pub(super) struct Progress(Arc<Mutex<Line>>);

/// What stands on the terminal.
#[derive(Default)]
struct Line {
    is_over: bool,
    is_written: bool,
}

impl Progress {
    /// Tells on stderr how far the module called `module` is, as the agent of these folders says it. Without an agent that
    /// tells, nothing is shown: it is only beside the point.
    pub(super) fn of(run: &Path, module: &str) -> Self {
        let line = Arc::new(Mutex::new(Line::default()));
        let (shared, run, module) = (Arc::clone(&line), run.to_owned(), module.to_owned());
        // Ends with the process, or with the agent.
        std::thread::spawn(move || follow(&run, &module, &shared));
        Self(line)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.is_over = true;
        if line.is_written && print::is_seen_beside() {
            print::running_beside("");
        }
    }
}

fn follow(run: &Path, module: &str, line: &Mutex<Line>) {
    let Ok(Some(mut client)) = Client::connect(run) else {
        return;
    };
    if client.send(&Request::Watch).is_err() {
        return;
    }
    let mut told_at = None;
    while let Ok(Some(status)) = client.receive() {
        let Some(how_far) = fact(&status, module) else {
            continue;
        };
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        if line.is_over {
            return;
        }
        if print::is_seen_beside() {
            print::running_beside(&format!("{FACT}: {how_far}"));
        } else if told_at.is_none_or(|at: Instant| at.elapsed() >= LINE_EVERY) {
            told_at = Some(Instant::now());
            print::remark(&format!("{FACT}: {how_far}"));
        }
        line.is_written = true;
    }
}

fn fact<'s>(status: &'s Value, module: &str) -> Option<&'s str> {
    let facts = status["modules"][module]["facts"].as_array()?;
    let found = facts.iter().find(|fact| fact[0] == FACT)?;
    found[1].as_str()
}
