//! What can be set about the server.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use kit::{Applies, Field, Kind, Section};
use serde::{Deserialize, Serialize};
use supervisor::Policy;

use crate::external;

/// The `[opencode]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpencodeSettings {
    /// The binary; empty means "find it".
    pub path: String,
    /// Further arguments of `opencode serve`.
    pub args: Vec<String>,
    /// Variables put on top of the login shell's.
    pub env: BTreeMap<String, String>,
    /// The loopback port; 0 takes a free one at each start.
    pub port: u16,
    /// A server that somebody else runs, e.g. `http://127.0.0.1:4096`: watched and used, never started or stopped.
    /// Empty means that one is run here.
    pub external_url: String,
    /// Whether the server starts with the agent.
    pub autostart: bool,
    /// Memory the server and all it started may hold before it is restarted when idle; 0 never asks.
    pub memory_limit_mib: u32,
    /// What opencode asks permission for.
    pub ask: Ask,
    /// How it is kept alive.
    pub restart: RestartSettings,
}

/// What opencode asks permission for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Whatever its own configuration says; without one it asks nearly nothing.
    #[default]
    AsConfigured,
    /// Before it runs a command or changes a file.
    CommandsAndEdits,
}

/// The `[opencode.restart]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartSettings {
    /// Whether a server that ended by itself is started again.
    pub enabled: bool,
    /// So many failures within the window are a crash loop.
    pub max_failures: u32,
    /// How far back failures count.
    pub window_s: u32,
    /// Wait before the first restart of a server that was not healthy for long.
    pub initial_delay_s: u32,
    /// The wait doubles up to this.
    pub max_delay_s: u32,
}

impl Default for OpencodeSettings {
    fn default() -> Self {
        Self {
            path: String::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
            port: 0,
            external_url: String::new(),
            autostart: true,
            // Some 0.5 GiB after a start, up to 1 GiB after a few prompts (opencode 1.18.33).
            memory_limit_mib: 4096,
            ask: Ask::default(),
            restart: RestartSettings::default(),
        }
    }
}

impl Default for RestartSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            max_failures: 5,
            window_s: 600,
            initial_delay_s: 1,
            max_delay_s: 60,
        }
    }
}

/// Arguments the agent decides itself: the server must stay on loopback and on the port it was given.
const ARGS_OURS: [&str; 4] = ["--port", "--hostname", "--mdns", "--mdns-domain"];

impl OpencodeSettings {
    /// The supervisor's figures.
    pub fn policy(&self) -> Policy {
        let seconds = |count: u32| Duration::from_secs(u64::from(count));
        Policy {
            enabled: self.restart.enabled,
            max_failures: self.restart.max_failures,
            window: seconds(self.restart.window_s),
            initial_delay: seconds(self.restart.initial_delay_s),
            max_delay: seconds(self.restart.max_delay_s),
            ..Policy::default()
        }
        .shortened_for_tests()
    }

    /// The server of somebody else to use, if one is named.
    pub(crate) fn external(&self) -> Option<SocketAddr> {
        external::address(&self.external_url).ok().flatten()
    }

    /// Whether a server is started here with the program.
    pub(crate) fn starts_by_itself(&self) -> bool {
        self.autostart && self.external().is_none()
    }

    /// Whether a server started with `self` runs differently from one started with `other`.
    pub fn starts_differently(&self, other: &Self) -> bool {
        (&self.path, &self.args, &self.env, self.port, self.ask)
            != (&other.path, &other.args, &other.env, other.port, other.ask)
    }
}

impl Section for OpencodeSettings {
    const ID: &'static str = "opencode";
    const FIELDS: &'static [Field] = &[
        Field {
            key: "path",
            label: "Program",
            help: "The opencode binary. Empty: it is looked for on your PATH and in the usual places.",
            kind: Kind::Path,
            applies: Applies::Now,
        },
        Field {
            key: "args",
            label: "Further arguments",
            help: "Added to `opencode serve`. Port and address are decided by the agent. The server restarts.",
            kind: Kind::List,
            applies: Applies::Now,
        },
        Field {
            key: "env",
            label: "Further variables",
            help: "Put on top of your login shell's environment, e.g. a provider's key. The server restarts.",
            kind: Kind::Table,
            applies: Applies::Now,
        },
        Field {
            key: "port",
            label: "Port",
            help: "On this machine only. 0 takes a free one at each start, which nothing else can be in the way of.",
            kind: Kind::Number {
                min: 0,
                max: 65535,
                unit: "",
            },
            applies: Applies::Now,
        },
        Field {
            key: "external_url",
            label: "Use another server",
            help: "The address of an opencode server you run yourself on this machine, e.g. http://127.0.0.1:4096. It is \
                   watched and used, never started or stopped. Store its password with `nexus secret set \
                   opencode-password`. Empty has one run here.",
            kind: Kind::Text { chars_max: 200 },
            applies: Applies::Now,
        },
        Field {
            key: "autostart",
            label: "Start with the agent",
            help: "Off: the server starts when you say so.",
            kind: Kind::Switch,
            applies: Applies::Now,
        },
        Field {
            key: "ask",
            label: "Ask before",
            help: "What opencode asks you for: whatever its own configuration says, or every command and every change of a \
                   file. The server restarts.",
            kind: Kind::Choice(&["as_configured", "commands_and_edits"]),
            applies: Applies::Now,
        },
        Field {
            key: "memory_limit_mib",
            label: "Memory limit",
            help: "Above it the server is restarted as soon as no session is at work; until then you are told. 0 has no \
                   limit.",
            kind: Kind::Number {
                min: 0,
                max: 1_048_576,
                unit: "MiB",
            },
            applies: Applies::Now,
        },
        Field {
            key: "restart.enabled",
            label: "Restart by itself",
            help: "Whether a server that crashed is started again.",
            kind: Kind::Switch,
            applies: Applies::Now,
        },
        Field {
            key: "restart.max_failures",
            label: "Failures allowed",
            help: "More than this within the window, and the server is only tried every 5 minutes.",
            kind: Kind::Number {
                min: 1,
                max: 1000,
                unit: "",
            },
            applies: Applies::Now,
        },
        Field {
            key: "restart.window_s",
            label: "Window",
            help: "How far back failures count.",
            kind: Kind::Number {
                min: 10,
                max: 86400,
                unit: "s",
            },
            applies: Applies::Now,
        },
        Field {
            key: "restart.initial_delay_s",
            label: "First wait",
            help: "Before the first restart; doubles with every further failure. A server that ran well for a minute is \
                   restarted at once.",
            kind: Kind::Number {
                min: 0,
                max: 60,
                unit: "s",
            },
            applies: Applies::Now,
        },
        Field {
            key: "restart.max_delay_s",
            label: "Longest wait",
            help: "The doubling ends here.",
            kind: Kind::Number {
                min: 1,
                max: 3600,
                unit: "s",
            },
            applies: Applies::Now,
        },
    ];

    fn check(&self) -> Result<(), String> {
        for argument in &self.args {
            let name = argument.split('=').next().unwrap_or_default();
            if ARGS_OURS.contains(&name) {
                return Err(format!(
                    "`opencode.args` cannot hold {name}: the agent decides it (see `opencode.port`)"
                ));
            }
        }
        external::address(&self.external_url)?;
        for name in self.env.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(format!(
                    "`opencode.env` has a variable that cannot exist: {name:?}"
                ));
            }
            if crate::environment::is_denied(name) {
                return Err(format!("`opencode.env` cannot set {name}: the agent decides it"));
            }
        }
        if self.restart.max_delay_s < self.restart.initial_delay_s {
            return Err(
                "`opencode.restart.max_delay_s` must not be smaller than `opencode.restart.initial_delay_s`"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut OpencodeSettings)) -> OpencodeSettings {
        let mut settings = OpencodeSettings::default();
        change(&mut settings);
        settings
    }

    #[test]
    fn what_the_agent_decides_cannot_be_set() {
        let refused = [
            with(|settings| settings.args = vec!["--hostname=0.0.0.0".to_owned()]),
            with(|settings| settings.args = vec!["--mdns".to_owned()]),
            with(|settings| settings.args = vec!["--port".to_owned(), "1".to_owned()]),
            with(|settings| settings.env = [("OPENCODE_SERVER_PASSWORD".to_owned(), String::new())].into()),
            with(|settings| settings.env = [("A=B".to_owned(), String::new())].into()),
            with(|settings| settings.restart.initial_delay_s = 61),
            with(|settings| settings.external_url = "http://192.168.1.4:4096".to_owned()),
            with(|settings| settings.external_url = "https://127.0.0.1:4096".to_owned()),
        ];
        for settings in refused {
            assert!(settings.check().is_err(), "{settings:?}");
        }
        let fine = with(|settings| {
            settings.args = vec!["--log-level=DEBUG".to_owned()];
            settings.env = [("ANTHROPIC_API_KEY".to_owned(), "k".to_owned())].into();
        });
        assert_eq!(fine.check(), Ok(()));
    }

    #[test]
    fn only_what_reaches_the_process_restarts_it() {
        let base = OpencodeSettings::default();

        assert!(!base.starts_differently(&with(|settings| settings.restart.max_failures = 9)));
        assert!(!base.starts_differently(&with(|settings| settings.autostart = false)));
        assert!(base.starts_differently(&with(|settings| settings.ask = Ask::CommandsAndEdits)));
        assert!(base.starts_differently(&with(|settings| settings.port = 4096)));
    }

    #[test]
    fn the_defaults_are_the_policys() {
        assert_eq!(OpencodeSettings::default().policy(), Policy::default());
    }
}
