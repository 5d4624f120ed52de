//! A setting's value, wherever it stands: command line before environment before file.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde_json::Value;

use crate::{
    config::{self, Config},
    flags::{self, Age, Given},
    log::{Format, Level, Log},
};

/// The longest time for requests in flight that can be asked for.
const GRACE_MAX: Duration = Duration::from_secs(180);
const GRACE: Duration = Duration::from_secs(30);

pub(crate) struct Settings {
    given: Given,
    env: BTreeMap<String, String>,
    pub(crate) config: Config,
    age: Age,
}

impl Settings {
    /// # Errors
    /// The text the program ends with: a file that is missing or broken.
    pub(crate) fn read(given: Given, age: Age) -> Result<Self, String> {
        let env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let home = env.get("HOME").map(PathBuf::from);
        let config = config::load(given.get("config").map(String::as_str), home.as_deref())?;
        Ok(Self {
            given,
            env,
            config,
            age,
        })
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let from_env = || {
            let variable = flags::variable(name, self.age)?;
            self.env.get(variable).filter(|value| !value.is_empty()).cloned()
        };
        let from_file = || match self.config.values.get(name)? {
            Value::String(text) => Some(text.clone()),
            value @ (Value::Bool(_) | Value::Number(_)) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        self.given.get(name).cloned().or_else(from_env).or_else(from_file)
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| ["true", "1", "t", "TRUE", "True", "T"].contains(&value.as_str()))
    }

    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.env.get("HOME").map(PathBuf::from)
    }

    /// Rules of the file, if it has any.
    pub(crate) fn ingress(&self) -> Option<&Vec<Value>> {
        self.config.values.get("ingress").and_then(Value::as_array)
    }

    pub(crate) fn log(&self) -> Log {
        let format = match self.get("output").as_deref() {
            Some("json") => Format::Json,
            _ => Format::Text,
        };
        let least = self
            .get("loglevel")
            .and_then(|name| Level::named(&name))
            .unwrap_or(Level::Info);
        let file = self.get("logfile").and_then(|path| {
            std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .ok()
        });
        Log::new(format, least, file)
    }

    /// # Errors
    /// The text the program ends with.
    pub(crate) fn grace(&self) -> Result<Duration, String> {
        let Some(text) = self.get("grace-period") else {
            return Ok(GRACE);
        };
        let grace = config::duration(&text).ok_or_else(|| format!("time: invalid duration \"{text}\""))?;
        if grace > GRACE_MAX {
            return Err("grace-period must be equal or less than 3m0s".to_owned());
        }
        Ok(grace)
    }

    /// The line `Settings: map[…]`, without what nobody may read.
    pub(crate) fn shown(&self, more: &[(&str, &str)]) -> String {
        let mut all: BTreeMap<&str, String> = flags::names()
            .filter_map(|name| Some((name, self.given.get(name)?.clone())))
            .collect();
        for (name, value) in more {
            all.entry(name).or_insert_with(|| (*value).to_owned());
        }
        for secret in ["token", "credentials-contents"] {
            all.entry(secret).and_modify(|value| "*****".clone_into(value));
        }
        format!(
            "Settings: map[{}]",
            joined(all.iter().map(|(name, value)| (*name, value.as_str())))
        )
    }

    /// The line `Environmental variables map[…]`, when there are any to show.
    pub(crate) fn variables_shown(&self) -> Option<String> {
        let all = self.env.iter().filter(|(name, _)| name.contains("TUNNEL_"));
        let shown = joined(all.map(|(name, value)| {
            let is_secret = ["TUNNEL_TOKEN", "TUNNEL_CRED_CONTENTS"].contains(&name.as_str());
            (name.as_str(), if is_secret { "*****" } else { value.as_str() })
        }));
        (!shown.is_empty()).then(|| format!("Environmental variables map[{shown}]"))
    }
}

fn joined<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}:{value}")).collect();
    pairs.join(" ")
}
