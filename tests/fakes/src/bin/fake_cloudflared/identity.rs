//! Which named tunnel this is, and by what right.

use std::{fs, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{
    config::{self, as_go_says},
    settings::Settings,
};

/// Said behind every complaint about how `run` was called.
const SEE: &str = "See 'cloudflared tunnel run --help'.";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// UUID.
    pub(crate) tunnel: String,
    /// Base64.
    pub(crate) secret: String,
    pub(crate) right: Right,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// By flag or variable.
    Token,
    TokenFile,
    Credentials,
}

/// Why there is none: the last words and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) words: Vec<String>,
    pub(crate) code: u8,
}

/// Who `tunnel run NAMES…` is meant to be.
pub(crate) fn find(settings: &Settings, names: &[String]) -> Result<Identity, Unknown> {
    if names.len() > 1 {
        return Err(misuse(
            "\"cloudflared tunnel run\" accepts only one argument, the ID or name of the tunnel to run.",
        ));
    }
    if let Some(token) = settings.get("token") {
        return by_token(&token, Right::Token);
    }
    if let Some(path) = settings.get("token-file") {
        let token = fs::read_to_string(&path).map_err(|error| {
            misuse(&format!(
                "Failed to read token file: open {path}: {}",
                as_go_says(&error)
            ))
        })?;
        return by_token(token.trim(), Right::TokenFile);
    }
    let named = names.first().cloned().or_else(|| {
        let name = settings.config.values.get("tunnel")?;
        name.as_str().map(str::to_owned)
    });
    let Some(named) = named else {
        return Err(misuse(
            "\"cloudflared tunnel run\" requires the ID or name of the tunnel to run as the last command line argument \
             or in the configuration file.",
        ));
    };
    by_credentials(settings, &named)
}

fn by_token(token: &str, right: Right) -> Result<Identity, Unknown> {
    token_of(token, right).ok_or_else(|| misuse("Provided Tunnel token is not valid."))
}

fn token_of(token: &str, right: Right) -> Option<Identity> {
    let token: Value = serde_json::from_slice(&STANDARD.decode(token).ok()?).ok()?;
    let secret = token["s"].as_str()?;
    STANDARD.decode(secret).ok()?;
    let tunnel = token["t"].as_str().filter(|id| fakes::ids::is_uuid(id))?;
    token["a"].as_str()?;
    Some(Identity {
        tunnel: tunnel.to_owned(),
        secret: secret.to_owned(),
        right,
    })
}

fn by_credentials(settings: &Settings, named: &str) -> Result<Identity, Unknown> {
    let text = match settings.get("credentials-contents") {
        Some(text) => text,
        None => credentials_file(settings, named)?,
    };
    let invalid = || failure("Invalid JSON when parsing tunnel credentials file");
    let credentials: Value = serde_json::from_str(&text).map_err(|_| invalid())?;
    let tunnel = credentials["TunnelID"]
        .as_str()
        .filter(|id| fakes::ids::is_uuid(id));
    Ok(Identity {
        tunnel: tunnel.ok_or_else(invalid)?.to_owned(),
        secret: credentials["TunnelSecret"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        right: Right::Credentials,
    })
}

fn credentials_file(settings: &Settings, named: &str) -> Result<String, Unknown> {
    if let Some(path) = settings.get("credentials-file") {
        return fs::read_to_string(&path).map_err(|_| {
            failure(&format!(
                "Tunnel credentials file '{path}' doesn't exist or is not a file"
            ))
        });
    }
    if !fakes::ids::is_uuid(named) {
        return Err(failure(
            "error parsing tunnel ID: Error locating origin cert: client didn't specify origincert path",
        ));
    }
    let found: Option<PathBuf> = config::folders(settings.home().as_deref())
        .into_iter()
        .map(|folder| folder.join(format!("{named}.json")))
        .find(|path| path.exists());
    found
        .and_then(|path| fs::read_to_string(path).ok())
        .ok_or_else(|| failure("tunnel credentials file not found"))
}

fn misuse(words: &str) -> Unknown {
    Unknown {
        words: vec![words.to_owned(), SEE.to_owned()],
        code: 255,
    }
}

fn failure(words: &str) -> Unknown {
    Unknown {
        words: vec![words.to_owned()],
        code: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_only_whole() {
        let token = |text: &str| token_of(&STANDARD.encode(text), Right::Token);
        let good = r#"{"a":"0123","t":"1fad5712-f9f8-4f7b-99b3-98ea7ae98196","s":"c2VjcmV0"}"#;

        assert_eq!(
            token(good),
            Some(Identity {
                tunnel: "1fad5712-f9f8-4f7b-99b3-98ea7ae98196".to_owned(),
                secret: "c2VjcmV0".to_owned(),
                right: Right::Token,
            })
        );
        assert_eq!(token(r#"{"a":"0123","t":"1fad5712","s":"c2VjcmV0"}"#), None);
        assert_eq!(token("{}"), None);
        assert_eq!(
            token_of(&format!(" {}", STANDARD.encode(good)), Right::Token),
            None
        );
        assert_eq!(token_of("cloudflared service install eyJh", Right::Token), None);
    }
}
