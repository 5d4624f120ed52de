//! `nexus NOUN VERB …`: what modules declare.

use clap::ArgMatches;
use kit::{Reply, Verb};
use serde_json::Value;

use super::{
    Cx,
    print::{self, Format},
};
use crate::{
    control::{Client, Failure, Request, sentence},
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
        (Some(mut client), _) => client.ask(&Request::Call {
            module: noun.id.0.to_owned(),
            verb: typed.verb.name,
            args: typed.verb.args,
            wait: typed.wait,
        })?,
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
        (value, _) => {
            print::json(value);
        }
    }
}
