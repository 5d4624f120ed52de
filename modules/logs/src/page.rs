//! The page `/logs`: the last lines, narrowed by a form.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use kit::Chrome;
use maud::{Markup, html};
use serde::Deserialize;
use web::{
    Body, LiveView, icon,
    parts::{self, Tone},
};

use crate::{Entry, Level, Query, feed, files::sources, last, literal, pattern};

/// Lines on the page.
pub(crate) const LINES: usize = 200;
pub(crate) const ROWS_ID: &str = "log-rows";

/// The form's fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    source: String,
    level: String,
    text: String,
    regex: Option<String>,
}

/// What was found, or why not.
struct Found {
    sources: Vec<String>,
    lines: Result<Vec<Entry>, String>,
}

pub(crate) async fn show(folder: PathBuf, chrome: Arc<Chrome>, asked: Asked) -> Markup {
    let query = asked.query();
    // Megabytes of files are read: not on a thread that serves others.
    let found = tokio::task::spawn_blocking(move || Found {
        sources: sources(&folder).unwrap_or_default(),
        lines: query.and_then(|query| {
            let cannot = |error| format!("The log files in {} cannot be read: {error}.", folder.display());
            last(&folder, &query, LINES).map_err(cannot)
        }),
    });
    let found = found.await.unwrap_or_else(|error| Found {
        sources: Vec::new(),
        lines: Err(format!("The log files could not be read: {error}.")),
    });
    let newest = found.lines.as_ref().ok().and_then(|lines| lines.last());
    let live = LiveView {
        view: "logs",
        key: asked.key(),
        cursor: Some(feed::cursor(
            newest.map_or(SystemTime::UNIX_EPOCH, |line| line.at),
        )),
    };
    let body = Body {
        title: "Logs".to_owned(),
        live: found.lines.is_ok().then_some(live),
        class: "logs",
        content: content(&asked, &found, SystemTime::now()),
    };
    web::page(&chrome, body)
}

impl Asked {
    /// The filter as the page's socket names it; [`from_key`](Self::from_key) reads it.
    fn key(&self) -> String {
        serde_json::to_string(&[
            &self.source,
            &self.level,
            &self.text,
            self.regex.as_ref().unwrap_or(&String::new()),
        ])
        .unwrap_or_default()
    }

    /// The filter of an open page.
    pub(crate) fn from_key(key: &str) -> Option<Self> {
        let [source, level, text, regex]: [String; 4] = serde_json::from_str(key).ok()?;
        Some(Self {
            source,
            level,
            text,
            regex: (!regex.is_empty()).then_some(regex),
        })
    }

    pub(crate) fn query(&self) -> Result<Query, String> {
        let text = self.text.trim();
        let pattern = match (text, &self.regex) {
            ("", _) => None,
            (text, Some(_)) => Some(pattern(text).map_err(|error| format!("{error}."))?),
            (text, None) => literal(text),
        };
        Ok(Query {
            source: (!self.source.is_empty()).then(|| self.source.clone()),
            level: Level::named(&self.level),
            pattern,
            since: None,
        })
    }
}

fn content(asked: &Asked, found: &Found, now: SystemTime) -> Markup {
    html! {
        div.page-head { h1 { "Logs" } }
        (filter(asked, &found.sources))
        @match &found.lines {
            Err(problem) => (parts::message(Tone::Bad, problem)),
            Ok(lines) => {
                (table(lines, asked, now))
                p.help.log-end {
                    @if lines.is_empty() { span.log-none { "No line fits the filter yet. New ones appear here. " } }
                    @if lines.len() == LINES { "The last " (LINES) " lines; new ones appear below. " }
                    "Older ones: " code { "nexus logs" } "."
                }
            }
        }
    }
}

fn filter(asked: &Asked, sources: &[String]) -> Markup {
    html! {
        form.filter method="get" action="/logs" role="search" {
            label { span.unseen { "Source" }
                select name="source" data-submit {
                    option value="" { "All sources" }
                    @for source in sources { option value=(source) selected[*source == asked.source] { (source) } }
                }
            }
            label { span.unseen { "Level" }
                select name="level" data-submit {
                    option value="" { "All levels" }
                    @for level in Level::ALL {
                        option value=(level.as_str()) selected[level.as_str() == asked.level] {
                            @match level {
                                Level::Error => "Errors only",
                                Level::Trace => "Trace and above",
                                Level::Warn | Level::Info | Level::Debug => { (level_name(level)) " and above" },
                            }
                        }
                    }
                }
            }
            label.filter-text { span.unseen { "Text" }
                input type="search" name="text" value=(asked.text) placeholder="Find text" data-key="/" data-key-label="Find text"
                    autocomplete="off" spellcheck="false";
            }
            label.mark { input type="checkbox" name="regex" value="on" checked[asked.regex.is_some()]; "Regular expression" }
            button.button type="submit" { (icon("search")) span { "Show" } }
        }
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "Error",
        Level::Warn => "Warning",
        Level::Info => "Info",
        Level::Debug => "Debug",
        Level::Trace => "Trace",
    }
}

fn table(lines: &[Entry], asked: &Asked, now: SystemTime) -> Markup {
    let pattern = asked.query().ok().and_then(|query| query.pattern);
    html! {
        div.log-lines #log-lines tabindex="0" role="region" aria-label="Log lines" data-stick {
            table {
                thead.unseen { tr { th scope="col" { "Time" } th scope="col" { "Level" } th scope="col" { "Source" } th scope="col" { "Text" } } }
                (rows(lines, pattern.as_ref(), now))
            }
        }
        button.pill.log-below #log-lines-below type="button" data-to-end="log-lines" hidden {
            (icon("down")) "New below"
        }
    }
}

/// The body of the table.
pub(crate) fn rows(lines: &[Entry], pattern: Option<&regex::Regex>, now: SystemTime) -> Markup {
    html! { tbody id=(ROWS_ID) { @for line in lines { (row(line, pattern, now)) } } }
}

/// One line of the table.
pub(crate) fn row(line: &Entry, pattern: Option<&regex::Regex>, now: SystemTime) -> Markup {
    let today = kit::time::rfc3339(now).get(..10).map(str::to_owned);
    html! {
        tr data-level=(line.level.as_str()) {
            td.log-time { (clock(line, today.as_deref())) }
            td.log-level { (level_name(line.level)) }
            td.log-source title=(line.target) { (origin(line)) }
            td.log-text {
                (highlighted(&line.text, pattern))
                @for (name, value) in &line.fields {
                    " " span.log-field { (name) "=" } (highlighted(value, pattern))
                }
            }
        }
    }
}

/// The time of day, with the date when it is another one (UTC; the script shows the reader's own).
fn clock(line: &Entry, today: Option<&str>) -> Markup {
    let stamp = kit::time::rfc3339(line.at);
    let (day, time) = (stamp.get(..10), stamp.get(11..19).unwrap_or_default());
    html! {
        time datetime=(stamp) data-ago="clock" title=(stamp) {
            @if let Some(day) = day.filter(|day| Some(*day) != today) { (day) " " }
            (time)
        }
    }
}

/// The agent's parts under their own names, children under theirs.
fn origin(line: &Entry) -> &str {
    if line.source == crate::AGENT {
        // The agent's own crate is the agent; everything else in it is a module.
        line.target
            .split("::")
            .next()
            .filter(|part| !part.is_empty() && *part != "opencode_nexus")
            .unwrap_or("agent")
    } else {
        &line.source
    }
}

fn highlighted(text: &str, pattern: Option<&regex::Regex>) -> Markup {
    let Some(pattern) = pattern else {
        return html! { (text) };
    };
    // Text outside and inside of matches, in turn.
    let mut pieces = Vec::new();
    let mut end = 0;
    for found in pattern.find_iter(text).filter(|found| !found.is_empty()) {
        pieces.push((&text[end..found.start()], found.as_str()));
        end = found.end();
    }
    html! {
        @for (before, found) in pieces { (before) mark { (found) } }
        (&text[end..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_marked_and_everything_is_text() {
        let pattern = literal("<b>").unwrap();

        let shown = highlighted("a <b> c <B> d", Some(&pattern)).into_string();

        assert_eq!(shown, "a <mark>&lt;b&gt;</mark> c <mark>&lt;B&gt;</mark> d");
    }

    #[test]
    fn a_bad_pattern_is_said_on_the_page() {
        let asked = Asked {
            text: "a(".to_owned(),
            regex: Some("on".to_owned()),
            ..Asked::default()
        };

        let problem = asked.query().unwrap_err();

        assert!(
            problem.starts_with("`a(` is not a valid regular expression"),
            "{problem}"
        );
    }
}
