//! `nexus NOUN VERB …`: what modules declare.

use clap::ArgMatches;
use kit::Verb;
use serde_json::Value;

use super::{
    Cx,
    print::{self, Format},
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
    let verb = Verb {
        name: name.to_owned(),
        args,
    };
    Some((
        noun,
        Typed {
            verb,
            wait: !given.get_flag("no-wait"),
        },
    ))
}

/// Asks the agent to do it and shows what came of it.
pub(super) fn ask(cx: &Cx, noun: &Noun, typed: Typed) -> Result<(), Failure> {
    let answer = Client::require(&cx.dirs.run)?.ask(&Request::Call {
        module: noun.id.0.to_owned(),
        verb: typed.verb.name,
        args: typed.verb.args,
        wait: typed.wait,
    })?;
    show(&answer, cx.format);
    Ok(())
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
