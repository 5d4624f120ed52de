//! The configuration file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use yaml_rust2::{Yaml, YamlLoader};

/// Folders searched without `--config`; `~` is the home folder.
const FOLDERS: &[&str] = &[
    "~/.cloudflared",
    "~/.cloudflare-warp",
    "~/cloudflare-warp",
    "/etc/cloudflared",
    "/usr/local/etc/cloudflared",
];
const NAMES: [&str; 2] = ["config.yml", "config.yaml"];

/// Keys of `originRequest` that are durations.
const DURATIONS: &[&str] = &["connectTimeout", "tlsTimeout", "tcpKeepAlive", "keepAliveTimeout"];

/// A file that was read; nothing in it is nothing at all.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) path: Option<PathBuf>,
    pub(crate) values: Map<String, Value>,
    pub(crate) is_empty: bool,
}

/// Reads the named file, else the first one where cloudflared looks by itself.
///
/// # Errors
/// The text the program ends with: the named file is missing, or it is no YAML.
pub(crate) fn load(named: Option<&str>, home: Option<&Path>) -> Result<Config, String> {
    let path = match named {
        Some(path) => Some(PathBuf::from(path)),
        None => folders(home)
            .into_iter()
            .flat_map(|folder| NAMES.map(|name| folder.join(name)))
            .find(|path| path.exists()),
    };
    let Some(path) = path else {
        return Ok(Config {
            path: None,
            values: Map::new(),
            is_empty: false,
        });
    };
    let text = fs::read_to_string(&path)
        .map_err(|error| format!("open {}: {}", path.display(), as_go_says(&error)))?;
    let values = parse(&text)
        .map_err(|error| format!("error parsing YAML in config file at {}: {error}", path.display()))?;
    let is_empty = text.trim().is_empty();
    Ok(Config {
        path: Some(path),
        values,
        is_empty,
    })
}

/// Where cloudflared keeps configuration and credentials.
pub(crate) fn folders(home: Option<&Path>) -> Vec<PathBuf> {
    FOLDERS
        .iter()
        .filter_map(|folder| match folder.strip_prefix("~/") {
            Some(below) => Some(home?.join(below)),
            None => Some(PathBuf::from(folder)),
        })
        .collect()
}

/// The words of an error as a Go program has them.
pub(crate) fn as_go_says(error: &std::io::Error) -> String {
    use std::io::ErrorKind::{AddrInUse, ConnectionRefused, NotFound, PermissionDenied};
    let known = [
        (NotFound, "no such file or directory"),
        (PermissionDenied, "permission denied"),
        (ConnectionRefused, "connect: connection refused"),
        (AddrInUse, "address already in use"),
    ];
    match known.iter().find(|(kind, _)| *kind == error.kind()) {
        Some((_, words)) => (*words).to_owned(),
        None => error.to_string().to_lowercase(),
    }
}

fn parse(text: &str) -> Result<Map<String, Value>, String> {
    let documents = YamlLoader::load_from_str(text)
        .map_err(|error| format!("yaml: line {}: {}", error.marker().line(), error.info()))?;
    let values = match documents.first() {
        None | Some(Yaml::Null | Yaml::BadValue) => return Ok(Map::new()),
        Some(Yaml::Hash(_)) => documents[0].clone(),
        Some(_) => {
            return Err(
                "yaml: unmarshal errors:\n  line 1: cannot unmarshal into config.configFileSettings"
                    .to_owned(),
            );
        }
    };
    let Value::Object(values) = as_json(&values) else {
        return Ok(Map::new());
    };
    check_durations(text, &values)?;
    Ok(values)
}

fn as_json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Boolean(value) => (*value).into(),
        Yaml::Integer(value) => (*value).into(),
        Yaml::Real(text) => text.parse::<f64>().map_or(Value::Null, Value::from),
        Yaml::String(text) => text.as_str().into(),
        Yaml::Array(items) => items.iter().map(as_json).collect(),
        Yaml::Hash(pairs) => pairs
            .iter()
            .map(|(key, value)| {
                (
                    key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned),
                    as_json(value),
                )
            })
            .collect::<Map<_, _>>()
            .into(),
        Yaml::Alias(_) | Yaml::Null | Yaml::BadValue => Value::Null,
    }
}

fn check_durations(text: &str, values: &Map<String, Value>) -> Result<(), String> {
    let rules = values
        .get("ingress")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let requests = rules
        .map(|rule| &rule["originRequest"])
        .chain(values.get("originRequest"));
    for request in requests {
        for key in DURATIONS {
            let Some(value) = request.get(key) else { continue };
            if value.as_str().is_none_or(|text| duration(text).is_none()) {
                let line = text
                    .lines()
                    .position(|line| line.contains(key))
                    .map_or(0, |at| at + 1);
                let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                return Err(format!(
                    "yaml: unmarshal errors:\n  line {line}: cannot unmarshal !!str `{shown}` into time.Duration"
                ));
            }
        }
    }
    Ok(())
}

/// A duration as Go writes it, e.g. `"30s"`, `"1m30s"`, `"500ms"`.
pub(crate) fn duration(text: &str) -> Option<std::time::Duration> {
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..]
            .find(|letter: char| letter.is_ascii_digit())
            .map_or(rest.len(), |length| digits + length);
        seconds += number
            * match &rest[digits..unit_end] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then(|| std::time::Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn durations_are_read_as_go_does() {
        for (text, expected) in [
            ("30s", Some(Duration::from_secs(30))),
            ("1m30s", Some(Duration::from_secs(90))),
            ("500ms", Some(Duration::from_millis(500))),
            ("", None),
            ("30", None),
            ("soon", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }

    #[test]
    fn a_file_is_read_or_its_fault_is_told() {
        let values = parse("tunnel: x\ningress:\n  - service: http_status:404\n").unwrap();
        assert_eq!(values["ingress"][0]["service"], "http_status:404");
        assert!(parse("").unwrap().is_empty());
        assert!(parse("{}").unwrap().is_empty());

        let fault = parse("ingress:\n  - service: a\n- b: c\n").unwrap_err();
        assert!(fault.starts_with("yaml: line "), "{fault}");
        let fault = parse("a: b\noriginRequest:\n  connectTimeout: soon\n").unwrap_err();
        assert!(
            fault.contains("line 3: cannot unmarshal !!str") && fault.ends_with("into time.Duration"),
            "{fault}"
        );
    }
}
