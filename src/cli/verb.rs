//! `nexus NOUN VERB …`: what modules declare.

use clap::ArgMatches;
use kit::{Reply, Verb, text::sentence};
use serde_json::Value;

use super::{
    Cx,
    print::{self, Format},
    progress::Progress,
};
use crate::{
    control::{Client, Failure, Request},
    modules::{NOUNS, Noun},
};

/// A verb as it was typed.
pub(super) struct Typed {
    verb: Verb,
    wait: bool,
}

/// The module verb in the arguments, if they hold one.
pub(super) fn find(matches: &ArgMatches) -> Option<(&'static Noun, Typed)> {
    let (word, below) = matches.subcommand()?;
    let noun = NOUNS.iter().find(|noun| noun.word == word)?;
    let (name, given) = below.subcommand()?;
    let spec = noun.verbs.iter().find(|spec| spec.name == name)?;
    let args = spec
        .args
        .iter()
        .filter_map(|argument| given.get_one::<String>(argument).cloned())
        .collect();
    let verb = Verb::with(name, args);
    Some((
        noun,
        Typed {
            verb,
            wait: !given.get_flag("no-wait"),
        },
    ))
}

/// Asks the agent to do it, or does it on the files, and shows what came of it.
pub(super) fn ask(cx: &Cx, noun: &Noun, typed: Typed) -> Result<(), Failure> {
    let client = Client::connect(&cx.dirs.run).map_err(anyhow::Error::from)?;
    let found = match (client, noun.offline) {
        (Some(mut client), _) => {
            let is_seen = typed.wait && cx.format == Format::Text;
            let _progress = is_seen.then(|| Progress::of(&cx.dirs.run, noun.id.0));
            client.ask(&Request::Call {
                module: noun.id.0.to_owned(),
                verb: typed.verb.name,
                args: typed.verb.args,
                wait: typed.wait,
            })?
        }
        (None, Some(offline)) => told(offline(&cx.dirs, &typed.verb)?),
        (None, None) => return Err(Failure::no_agent()),
    };
    show(&found, cx.format);
    Ok(())
}

/// What a module replied, as it goes over the socket.
pub(crate) fn told(reply: Reply) -> Value {
    match reply {
        Reply::Done => Value::Null,
        Reply::Text(text) | Reply::Note(text) => Value::String(sentence(&text)),
        Reply::Json(value) => value,
    }
}

/// A sentence as it is, nothing for nothing, any other value as JSON.
pub(super) fn show(answer: &Value, format: Format) {
    match (answer, format) {
        (Value::String(text), Format::Text) => {
            print::line(text);
        }
        (Value::Null, Format::Text) => {}
        (Value::Array(rows), Format::Text) if rows.iter().all(Value::is_object) => {
            print::line(&listed(rows));
        }
        (value, _) => {
            print::json(value);
        }
    }
}

/// Objects as paragraphs of `name: value`, without what is empty or not known.
fn listed(rows: &[Value]) -> String {
    let paragraphs: Vec<String> = rows
        .iter()
        .filter_map(Value::as_object)
        .map(|row| {
            let lines: Vec<String> = row
                .iter()
                .filter_map(|(name, value)| Some(format!("{name}: {}", said(value)?)))
                .collect();
            lines.join("\n")
        })
        .collect();
    if paragraphs.is_empty() {
        return "Nothing so far.".to_owned();
    }
    paragraphs.join("\n\n")
}

fn said(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Array(parts) => {
            let parts: Vec<String> = parts.iter().filter_map(said).collect();
            (!parts.is_empty()).then(|| format!("\n  {}", parts.join("\n  ")))
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => Some(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::listed;

    #[test]
    fn a_list_is_read_by_people_without_what_is_not_known() {
        let rows = [
            json!({"at": "2026-01-01T10:00:00Z", "cause": "it ended", "away_s": null, "last_output": ["one", "two"]}),
            json!({"at": "2026-01-01T09:00:00Z", "cause": "it was stopped", "away_s": 1.5, "last_output": []}),
        ];

        assert_eq!(
            listed(&rows),
            "at: 2026-01-01T10:00:00Z\ncause: it ended\nlast_output: \n  one\n  two\n\nat: 2026-01-01T09:00:00Z\n\
             away_s: 1.5\ncause: it was stopped"
        );
        assert_eq!(listed(&[]), "Nothing so far.");
    }
}
