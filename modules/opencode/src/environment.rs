//! The environment of the server: the login shell's, minus what is not its business, plus what the agent decides.
//!
//! Provider keys live in the user's shell files, and a program started from a desktop does not see those. So the
//! user's shell is run once as a login shell and asked what it has.

mod shell;

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};

use kit::Secret;

use crate::settings::Ask;

pub(crate) use shell::capture;

/// An environment. Names are unique.
pub(crate) type Variables = BTreeMap<OsString, OsString>;

/// The agent's own environment. Windows takes names in any case, so they are made equal there.
pub(crate) fn own() -> Variables {
    let name = |name: OsString| {
        if cfg!(windows) {
            name.to_ascii_uppercase()
        } else {
            name
        }
    };
    std::env::vars_os()
        .map(|(found, value)| (name(found), value))
        .collect()
}

/// Whose environment it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    /// What there is.
    pub(crate) variables: Variables,
    /// Why it is only the agent's own, if it is.
    pub(crate) shortcoming: Option<String>,
}

/// Names that are never passed on: our own, passwords of servers, what belongs to the tunnel or to the process that
/// started the agent. Everything opencode is given is seen by each command it runs.
const DENIED_PREFIXES: [&str; 7] = [
    "NEXUS_",
    "OPENCODE_SERVER_",
    "TUNNEL_",
    "CLOUDFLARED_",
    "LISTEN_",
    "WATCHDOG_",
    "SYSTEMD_EXEC_",
];
const DENIED: [&str; 9] = [
    "NOTIFY_SOCKET",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "MANAGERPID",
    "_",
    "SHLVL",
    "PWD",
    "OLDPWD",
    // Set on programs started by opencode itself; an agent started from its terminal would pass them on.
    "OPENCODE_PID",
];

/// Whether a variable of this name is kept from the server.
pub(crate) fn is_denied(name: &str) -> bool {
    DENIED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || DENIED.contains(&name)
}

fn is_denied_os(name: &OsStr) -> bool {
    name.to_str().is_some_and(is_denied)
}

/// The complete environment of one start.
pub(crate) fn complete(
    base: &Variables,
    set: &BTreeMap<String, String>,
    ask: Ask,
    password: &Secret,
) -> Vec<(OsString, OsString)> {
    let mut all: Variables = base
        .iter()
        .filter(|(name, _)| !is_denied_os(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    all.extend(
        set.iter()
            .filter(|(name, _)| !is_denied(name))
            .map(|(name, value)| (OsString::from(name), OsString::from(value))),
    );
    let mut ours = vec![
        ("OPENCODE_SERVER_USERNAME", USERNAME.to_owned()),
        ("OPENCODE_SERVER_PASSWORD", password.expose().to_owned()),
        // The agent says when there is a new version; a server that replaces itself would restart unasked.
        ("OPENCODE_DISABLE_AUTOUPDATE", "1".to_owned()),
    ];
    if ask == Ask::CommandsAndEdits {
        ours.push(("OPENCODE_PERMISSION", r#"{"bash":"ask","edit":"ask"}"#.to_owned()));
    }
    all.extend(ours.into_iter().map(|(name, value)| (name.into(), value.into())));
    all.into_iter().collect()
}

/// The user name of the server's login; opencode's own default, said explicitly.
pub(crate) const USERNAME: &str = "opencode";

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    #[test]
    fn the_server_gets_the_shells_environment_without_what_is_not_its_business() {
        let base = variables(&[
            ("PATH", "/usr/bin"),
            ("ANTHROPIC_API_KEY", "k"),
            ("HTTPS_PROXY", "http://proxy"),
            ("NEXUS_HOME", "/n"),
            ("TUNNEL_TOKEN", "secret"),
            ("OPENCODE_SERVER_PASSWORD", "old"),
            ("NOTIFY_SOCKET", "/run/x"),
            ("SHLVL", "3"),
        ]);
        let set =
            [("MODE", "a"), ("PATH", "/opt/bin")].map(|(name, value)| (name.to_owned(), value.to_owned()));

        let found = complete(
            &base,
            &set.into(),
            Ask::CommandsAndEdits,
            &Secret::new("new".to_owned()),
        );

        let expected = variables(&[
            ("PATH", "/opt/bin"),
            ("ANTHROPIC_API_KEY", "k"),
            ("HTTPS_PROXY", "http://proxy"),
            ("MODE", "a"),
            ("OPENCODE_SERVER_USERNAME", "opencode"),
            ("OPENCODE_SERVER_PASSWORD", "new"),
            ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
            ("OPENCODE_PERMISSION", r#"{"bash":"ask","edit":"ask"}"#),
        ]);
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_permission_setting_of_ones_own_stays_unless_the_agent_is_to_ask() {
        let base = variables(&[("OPENCODE_PERMISSION", "{}")]);
        let password = Secret::new("p".to_owned());
        let permission = |ask| {
            let found = complete(&base, &BTreeMap::new(), ask, &password);
            let found = found.into_iter().find(|(name, _)| name == "OPENCODE_PERMISSION");
            found.map(|(_, value)| value)
        };

        assert_eq!(permission(Ask::AsConfigured), Some("{}".into()));
        assert_ne!(permission(Ask::CommandsAndEdits), Some("{}".into()));
    }
}
