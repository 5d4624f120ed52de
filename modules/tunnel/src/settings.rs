//! What can be set about remote access.

use kit::{Applies, Field, Kind, Section};
use serde::{Deserialize, Serialize};

use crate::{
    arguments,
    profiles::{self, Profiles},
    words::Names,
};

/// The `[tunnel]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TunnelSettings {
    /// The cloudflared binary; empty means "find it".
    pub path: String,
    /// How this machine is reached.
    pub mode: Mode,
    /// Whether remote access starts with the agent.
    pub autostart: bool,
    /// Hours after which it goes off by itself; 0 never.
    pub auto_off_h: u32,
    /// Further arguments of cloudflared.
    pub extra_args: Vec<String>,
    /// The loopback port cloudflared is given; 0 takes a free one and keeps it.
    pub port: u16,
    /// The public name, e.g. `nexus.example.com`, where it cannot be learned.
    pub public_host: String,
    /// The id of a locally managed tunnel.
    pub tunnel_id: String,
    /// Its credentials file.
    pub credentials: String,
    /// The profile in use; empty means none, and then the values above count.
    pub profile: String,
    /// Several tunnels of one owner.
    pub profiles: Profiles,
}

/// The words for the kinds of tunnels.
pub(crate) const MODES: &[&str] = &["quick", "token", "local", "manual"];

/// How this machine is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A new address at each start, without an account.
    #[default]
    Quick,
    /// A tunnel of the owner's account, configured at Cloudflare; its token is in the keyring.
    Token,
    /// A tunnel of the owner's account, configured here.
    Local,
    /// The owner runs cloudflared: nothing is started or stopped.
    Manual,
}

impl Mode {
    /// The word in the settings file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Token => "token",
            Self::Local => "local",
            Self::Manual => "manual",
        }
    }
}

impl Default for TunnelSettings {
    fn default() -> Self {
        Self {
            path: String::new(),
            mode: Mode::default(),
            autostart: false,
            auto_off_h: 8,
            extra_args: Vec::new(),
            port: 0,
            public_host: String::new(),
            tunnel_id: String::new(),
            credentials: String::new(),
            profile: String::new(),
            profiles: Profiles::new(),
        }
    }
}

impl TunnelSettings {
    /// The same with the values of the chosen profile.
    pub fn chosen(&self) -> Self {
        let Some(profile) = self.profiles.get(&self.profile).cloned() else {
            return self.clone();
        };
        Self {
            mode: profile.mode,
            public_host: profile.public_host,
            tunnel_id: profile.tunnel_id,
            credentials: profile.credentials,
            extra_args: profile.extra_args,
            ..self.clone()
        }
    }

    /// The table of what is in force, e.g. `"tunnel.profiles.work"`.
    pub fn table(&self) -> String {
        match self.profile.as_str() {
            "" => "tunnel".to_owned(),
            profile => format!("tunnel.profiles.{profile}"),
        }
    }

    /// How what is in force is called.
    pub(crate) fn names(&self) -> Names {
        Names {
            token: token_name(&self.profile),
            table: self.table(),
        }
    }

    /// Whether a tunnel started with `self` runs differently from one started with `other`.
    pub(crate) fn starts_differently(&self, other: &Self) -> bool {
        let what = |settings: &Self| {
            (
                settings.path.clone(),
                settings.mode,
                settings.extra_args.clone(),
                settings.port,
                settings.public_host.clone(),
                settings.tunnel_id.clone(),
                settings.credentials.clone(),
                (settings.mode == Mode::Token).then(|| settings.profile.clone()),
            )
        };
        what(self) != what(other)
    }
}

impl Section for TunnelSettings {
    const ID: &'static str = "tunnel";
    const FIELDS: &'static [Field] = &[
        Field {
            key: "path",
            label: "Program",
            help: "The cloudflared binary. Empty: it is looked for on your PATH and in the usual places.",
            kind: Kind::Path,
            applies: Applies::Now,
        },
        Field {
            key: "mode",
            label: "Kind of tunnel",
            help: "quick: a new address at each start, no account. token: a tunnel you made at Cloudflare; store its token \
                   with `nexus secret set tunnel-token --stdin`. local: a tunnel with a credentials file. manual: you run \
                   cloudflared yourself.",
            kind: Kind::Choice(MODES),
            applies: Applies::Now,
        },
        Field {
            key: "autostart",
            label: "Start with the agent",
            help: "Off: this machine can be reached from outside only after you said so.",
            kind: Kind::Switch,
            applies: Applies::Now,
        },
        Field {
            key: "auto_off_h",
            label: "Off by itself",
            help: "Remote access ends so many hours after it was switched on. 0 never.",
            kind: Kind::Number {
                min: 0,
                max: 8760,
                unit: "h",
            },
            applies: Applies::Now,
        },
        Field {
            key: "extra_args",
            label: "Further arguments",
            help: "Of cloudflared; only those that change how it reaches Cloudflare: --protocol, --edge-ip-version, \
                   --edge-bind-address, --region, --retries, --post-quantum, --label.",
            kind: Kind::List,
            applies: Applies::Now,
        },
        Field {
            key: "port",
            label: "Port",
            help: "On this machine only; nothing but cloudflared is given it. 0 takes a free one and keeps it.",
            kind: Kind::Number {
                min: 0,
                max: 65535,
                unit: "",
            },
            applies: Applies::Now,
        },
        Field {
            key: "public_host",
            label: "Public name",
            help: "E.g. nexus.example.com. Needed for local and manual tunnels; the others tell it.",
            kind: Kind::Text { chars_max: 253 },
            applies: Applies::Now,
        },
        Field {
            key: "tunnel_id",
            label: "Tunnel",
            help: "The id of a local tunnel, as `cloudflared tunnel list` shows it.",
            kind: Kind::Text { chars_max: 36 },
            applies: Applies::Now,
        },
        Field {
            key: "credentials",
            label: "Credentials file",
            help: "Of a local tunnel: the file that `cloudflared tunnel create` wrote.",
            kind: Kind::Path,
            applies: Applies::Now,
        },
        Field {
            key: "profile",
            label: "Profile",
            help: "Which of your profiles is used. Empty: none, and the values here count.",
            kind: Kind::Text { chars_max: 32 },
            applies: Applies::Now,
        },
        Field {
            key: "profiles",
            label: "Profiles",
            help: "Several tunnels by name; see `nexus tunnel profiles`.",
            kind: Kind::Tables(profiles::FIELDS),
            applies: Applies::Now,
        },
    ];

    fn check(&self) -> Result<(), String> {
        check_connection("tunnel", &self.public_host, &self.tunnel_id, &self.extra_args)?;
        profiles::check(self)
    }
}

/// Looks at what a tunnel is reached with; `table` is where it stands.
pub(crate) fn check_connection(
    table: &str,
    public_host: &str,
    tunnel_id: &str,
    extra_args: &[String],
) -> Result<(), String> {
    arguments::check(extra_args).map_err(|error| format!("`{table}.extra_args` {error}"))?;
    if !public_host.is_empty() && !is_host(public_host) {
        return Err(format!(
            "`{table}.public_host` must be a name such as nexus.example.com, not {public_host:?}"
        ));
    }
    if !tunnel_id.is_empty() && !is_uuid(tunnel_id) {
        return Err(format!(
            "`{table}.tunnel_id` must be the id of a tunnel such as 1fad5712-f9f8-4f7b-99b3-98ea7ae98196, not {tunnel_id:?}"
        ));
    }
    Ok(())
}

/// Under which name the token of a profile's tunnel is kept; of none, for an empty name.
pub(crate) fn token_name(profile: &str) -> String {
    if profile.is_empty() {
        "tunnel-token".to_owned()
    } else {
        format!("tunnel-token-{profile}")
    }
}

/// A host name in lower case with at least two labels; no address, no port, no wildcard.
pub(crate) fn is_host(name: &str) -> bool {
    let labels: Vec<&str> = name.split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253
        && labels.len() >= 2
        && labels.iter().all(is_label)
        && labels
            .last()
            .is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_hosts() {
        for name in [
            "nexus.example.com",
            "a-b.trycloudflare.com",
            "xn--bcher-kva.example",
        ] {
            assert!(is_host(name), "{name}");
        }
        for name in [
            "",
            "localhost",
            "127.0.0.1",
            "Nexus.example.com",
            "nexus.example.com:443",
            "https://nexus.example.com",
            "*.example.com",
            "-a.example.com",
            "a..example.com",
            "nexus.example.com.",
            "nexus example.com",
        ] {
            assert!(!is_host(name), "{name}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let with = |change: fn(&mut TunnelSettings)| {
            let mut settings = TunnelSettings::default();
            change(&mut settings);
            settings.check()
        };
        assert_eq!(TunnelSettings::default().check(), Ok(()));
        assert_eq!(
            with(|settings| settings.tunnel_id = "1fad5712-f9f8-4f7b-99b3-98ea7ae98196".to_owned()),
            Ok(())
        );
        assert!(with(|settings| settings.public_host = "http://x.example".to_owned()).is_err());
        assert!(with(|settings| settings.tunnel_id = "my tunnel".to_owned()).is_err());
        assert!(
            with(|settings| settings.extra_args = vec!["--url=http://127.0.0.1:4096".to_owned()]).is_err()
        );
    }
}
