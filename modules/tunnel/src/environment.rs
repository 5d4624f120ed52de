//! The environment of cloudflared: a list of what it may have, because it is a program that talks to the internet.

use std::ffi::{OsStr, OsString};

use kit::Secret;

/// Where it looks for things of the system. No proxy: it goes to Cloudflare by itself and ignores them there.
const ALLOWED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    // Windows does not start programs without these.
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "TEMP",
    "TMP",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
];

/// The complete environment of one start, made from the agent's `own`.
pub(crate) fn complete(
    own: impl IntoIterator<Item = (OsString, OsString)>,
    token: Option<&Secret>,
) -> Vec<(OsString, OsString)> {
    let mut all: Vec<(OsString, OsString)> = own.into_iter().filter(|(name, _)| is_allowed(name)).collect();
    // A flag would be a usage error to versions before 2026.5.0; they ignore the variable.
    all.push(("TUNNEL_NO_PRECHECKS".into(), "true".into()));
    if let Some(token) = token {
        all.push(("TUNNEL_TOKEN".into(), token.expose().into()));
    }
    all
}

fn is_allowed(name: &OsStr) -> bool {
    let is = |allowed: &&str| {
        if cfg!(windows) {
            name.eq_ignore_ascii_case(allowed)
        } else {
            name == *allowed
        }
    };
    ALLOWED.iter().any(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_what_is_listed_and_its_own_token_is_passed_on() {
        let own = [
            ("PATH", "/usr/bin"),
            ("HOME", "/home/u"),
            ("ANTHROPIC_API_KEY", "k"),
            ("OPENCODE_SERVER_PASSWORD", "p"),
            ("TUNNEL_URL", "http://127.0.0.1:4096"),
            ("TUNNEL_TOKEN", "of somebody else"),
            ("NEXUS_HOME", "/n"),
            ("HTTPS_PROXY", "http://proxy"),
        ]
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let names = |token: Option<&Secret>| {
            let mut all: Vec<String> = complete(own.clone(), token)
                .into_iter()
                .map(|(name, value)| format!("{}={}", name.display(), value.display()))
                .collect();
            all.sort();
            all
        };

        let bare = ["HOME=/home/u", "PATH=/usr/bin", "TUNNEL_NO_PRECHECKS=true"];
        assert_eq!(names(None), bare);
        let token = Secret::new("eyJ".to_owned());
        assert_eq!(
            names(Some(&token)),
            [
                "HOME=/home/u",
                "PATH=/usr/bin",
                "TUNNEL_NO_PRECHECKS=true",
                "TUNNEL_TOKEN=eyJ"
            ]
        );
    }
}
