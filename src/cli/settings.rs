//! `nexus settings`: through the agent while one runs, else on the file, with the same checks.

use kit::{SettingsFile, settings::Problem};
use serde_json::{Value, json};

use super::{
    Cx,
    grammar::Settings,
    offline::Offline,
    print::{self, Format},
};
use crate::control::{Client, Failure, Request, SettingsAct};

pub(super) fn act(cx: &Cx, asked: Settings) -> Result<(), Failure> {
    let act = match asked {
        Settings::Path => {
            let path = cx.dirs.config.join("settings.toml").display().to_string();
            super::verb::show(&Value::String(path), cx.format);
            return Ok(());
        }
        Settings::List => SettingsAct::List,
        Settings::Get { key } => SettingsAct::Get { key },
        Settings::Set { key, value } => SettingsAct::Set { key, value },
        Settings::Reset { key } => SettingsAct::Reset { key },
    };
    let is_list = act == SettingsAct::List;
    let client = Client::connect(&cx.dirs.run).map_err(anyhow::Error::from)?;
    let found = match client {
        Some(mut client) => client.ask(&Request::Settings(act))?,
        None => offline(cx, act)?,
    };
    match (cx.format, is_list) {
        (Format::Text, true) => show_list(&found),
        (format, _) => super::verb::show(&found, format),
    }
    Ok(())
}

/// The same on the file itself.
fn offline(cx: &Cx, act: SettingsAct) -> Result<Value, Failure> {
    let offline = Offline::take(cx)?;
    for problem in offline.cx.settings.problems() {
        print::remark(&explain(&problem));
    }
    answer(&offline.cx.settings, act)
}

/// Does one thing with the settings, here or in the agent.
pub(crate) fn answer(settings: &SettingsFile, act: SettingsAct) -> Result<Value, Failure> {
    match act {
        SettingsAct::List => Ok(list(settings)),
        SettingsAct::Get { key } => Ok(Value::String(settings.get(&key)?)),
        SettingsAct::Set { key, value } => Ok(settings.set(&key, &value).map(|()| Value::Null)?),
        SettingsAct::Reset { key } => Ok(settings.reset(&key).map(|()| Value::Null)?),
    }
}

fn list(settings: &SettingsFile) -> Value {
    let entries = settings.list();
    let shown = entries.iter().map(|entry| {
        json!({
            "key": format!("{}.{}", entry.section, entry.field.key),
            "value": entry.value,
            "is_set": entry.is_set,
            "help": entry.field.help,
        })
    });
    Value::Array(shown.collect())
}

fn show_list(found: &Value) {
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let rows: Vec<Vec<String>> = found
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| {
            let origin = if entry["is_set"] == true { "set" } else { "default" };
            vec![
                text(entry, "key"),
                text(entry, "value"),
                origin.to_owned(),
                text(entry, "help"),
            ]
        })
        .collect();
    print::table(&rows);
}

/// What is wrong with the file, for a person.
pub(crate) fn explain(problem: &Problem) -> String {
    match problem {
        Problem::Corrupt {
            fault,
            kept: Some(kept),
        } => format!(
            "The settings file could not be understood ({fault}). It was kept as {} and defaults are in force: mend \
             that line there, give the file its name settings.toml back and start the program again, or set anew what \
             you need with `nexus settings set`.",
            kept.display()
        ),
        Problem::Corrupt { fault, kept: None } => format!(
            "The settings file could not be understood ({fault}) and could not be moved away. Defaults are in force and \
             changes are not saved until you mend that line or remove the file, and start the program again."
        ),
        Problem::Unreadable(cause) => format!(
            "The settings file could not be read ({cause}). Defaults are in force and changes are not saved until it can be."
        ),
        Problem::BadSection { key, expectation } => format!(
            "In the settings file, `{key}` {expectation}. The defaults of that part are in force: mend it with `nexus settings set {key} VALUE`."
        ),
    }
}
