//! When the server ended unasked or was restarted, and why.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use kit::BoxFuture;
use maud::{Markup, html};
use web::{
    parts::{Tone, message},
    time,
};

/// One end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: SystemTime,
    /// Why, one sentence.
    pub cause: String,
    /// E.g. `"exit code 1"`; empty when nobody was there to see.
    pub how: String,
    /// Its last lines, oldest first.
    pub last_output: Vec<String>,
    /// How long it had run, if that is known.
    pub ran_for: Option<Duration>,
    /// How long it was away, once it is back.
    pub away_for: Option<Duration>,
}

/// Reads the history, newest first; the error is a sentence.
pub type ReadHistory = Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<Ended>, String>> + Send + Sync>;

pub(crate) fn content(ends: &Result<Vec<Ended>, String>, now: SystemTime) -> Markup {
    html! {
        nav.back aria-label="Back" { a href="/dashboard" { "Dashboard" } }
        h1 { "Restarts of opencode" }
        @match ends {
            Err(problem) => (message(Tone::Bad, problem)),
            Ok(ends) if ends.is_empty() => p.muted { "It has never ended unasked." },
            Ok(ends) => ol.history { @for end in ends { (row(end, now)) } },
        }
    }
}

fn row(end: &Ended, now: SystemTime) -> Markup {
    html! {
        li.card.part {
            div.part-head { h2 { (end.cause) } p.since { (time::ago(end.at, now)) } }
            dl.facts {
                @if !end.how.is_empty() { div { dt { "Ended with" } dd { (end.how) } } }
                div { dt { "Had run for" } dd { (length(end.ran_for)) } }
                div { dt { "Was away for" } dd { (length(end.away_for)) } }
            }
            @if !end.last_output.is_empty() {
                details.part-output {
                    summary { "Last output" }
                    pre tabindex="0" role="region" aria-label="Last output" { (end.last_output.join("\n")) }
                }
            }
        }
    }
}

fn length(time: Option<Duration>) -> String {
    match time {
        None => "not known".to_owned(),
        Some(time) if time < Duration::from_secs(10) => format!("{:.1} s", time.as_secs_f64()),
        Some(time) => time::span(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_said_and_output_is_text() {
        let end = Ended {
            at: SystemTime::UNIX_EPOCH,
            cause: "opencode was ended by signal 9 (killed)".to_owned(),
            how: "signal 9".to_owned(),
            last_output: vec!["<img src=x>".to_owned()],
            ran_for: Some(Duration::from_millis(1_230)),
            away_for: None,
        };

        let page = content(&Ok(vec![end]), SystemTime::UNIX_EPOCH).into_string();

        assert!(page.contains("1.2 s") && page.contains("not known"), "{page}");
        assert!(!page.contains("<img"), "{page}");
        let failed = content(&Err("The database failed.".to_owned()), SystemTime::UNIX_EPOCH).into_string();
        assert!(failed.contains("role=\"alert\""), "{failed}");
    }
}
