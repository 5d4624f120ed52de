//! Several tunnels of one owner, of which one is used. Pure.

use std::collections::BTreeMap;

use kit::{Applies, Field, Kind};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::settings::{MODES, Mode, TunnelSettings, check_connection};

/// The word for the values that stand outside of any profile.
const NONE: &str = "none";

/// Longest name of a profile.
const NAME_CHARS_MAX: usize = 32;

/// By name.
pub type Profiles = BTreeMap<String, Profile>;

/// What differs between one tunnel and another; everything else of the section holds for all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// How this machine is reached.
    pub mode: Mode,
    /// The public name, where it cannot be learned.
    pub public_host: String,
    /// The id of a locally managed tunnel.
    pub tunnel_id: String,
    /// Its credentials file.
    pub credentials: String,
    /// Further arguments of cloudflared.
    pub extra_args: Vec<String>,
}

/// What stands in a profile.
pub(crate) const FIELDS: &[Field] = &[
    field("mode", Kind::Choice(MODES)),
    field("public_host", Kind::Text { chars_max: 253 }),
    field("tunnel_id", Kind::Text { chars_max: 36 }),
    field("credentials", Kind::Path),
    field("extra_args", Kind::List),
];

const fn field(key: &'static str, kind: Kind) -> Field {
    Field {
        key,
        label: "",
        help: "",
        kind,
        applies: Applies::Now,
    }
}

/// What is to be done with the profiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    List,
    /// Keeps what is in force now under a name.
    Create(String),
    /// Uses one; without a name, the values outside of any.
    Choose(Option<String>),
    Rename {
        from: String,
        to: String,
    },
    Delete(String),
}

impl Act {
    /// From the words after `profiles`.
    ///
    /// # Errors
    /// A sentence about what can be said.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            [] | ["list"] => Ok(Self::List),
            ["create", name] => Ok(Self::Create(name.to_owned())),
            ["choose", NONE] => Ok(Self::Choose(None)),
            ["choose", name] => Ok(Self::Choose(Some(name.to_owned()))),
            ["rename", from, to] => Ok(Self::Rename {
                from: from.to_owned(),
                to: to.to_owned(),
            }),
            ["delete", name] => Ok(Self::Delete(name.to_owned())),
            _ => Err(
                "After `profiles` comes list, create NAME, choose NAME, choose none, rename OLD NEW or delete NAME"
                    .to_owned(),
            ),
        }
    }
}

/// What an act comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// A new profile.
    Keep { name: String, profile: Profile },
    /// Another one is in force; an empty name is none.
    Choose(String),
    /// A profile gets another name.
    Rename {
        from: String,
        to: String,
        profile: Profile,
        /// It is the one in use, and stays it.
        is_chosen: bool,
    },
    /// A profile goes.
    Delete(String),
}

/// What follows from an act.
///
/// # Errors
/// A sentence that says why not.
pub(crate) fn change(settings: &TunnelSettings, act: &Act) -> Result<Change, String> {
    let known = |name: &str| {
        let profile = settings.profiles.get(name).cloned();
        profile.ok_or_else(|| format!("There is no profile `{name}`. `nexus tunnel profiles` lists them"))
    };
    let is_free = |name: &str| {
        check_name(name)?;
        if settings.profiles.contains_key(name) {
            return Err(format!("There is a profile `{name}` already"));
        }
        Ok(())
    };
    match act {
        Act::List => Ok(Change::None),
        Act::Create(name) => {
            is_free(name)?;
            Ok(Change::Keep {
                name: name.clone(),
                profile: now(settings),
            })
        }
        Act::Choose(None) => Ok(Change::Choose(String::new())),
        Act::Choose(Some(name)) => {
            known(name)?;
            Ok(Change::Choose(name.clone()))
        }
        Act::Rename { from, to } => {
            let profile = known(from)?;
            is_free(to)?;
            Ok(Change::Rename {
                from: from.clone(),
                to: to.clone(),
                profile,
                is_chosen: settings.profile == *from,
            })
        }
        Act::Delete(name) => {
            known(name)?;
            if settings.profile == *name {
                return Err(format!(
                    "The profile `{name}` is in use. Choose another first, or `nexus tunnel profiles choose none`"
                ));
            }
            Ok(Change::Delete(name.clone()))
        }
    }
}

/// What is in force, as a profile.
fn now(settings: &TunnelSettings) -> Profile {
    let chosen = settings.chosen();
    Profile {
        mode: chosen.mode,
        public_host: chosen.public_host,
        tunnel_id: chosen.tunnel_id,
        credentials: chosen.credentials,
        extra_args: chosen.extra_args,
    }
}

/// Looks at what single fields cannot tell.
pub(crate) fn check(settings: &TunnelSettings) -> Result<(), String> {
    for (name, profile) in &settings.profiles {
        check_name(name)?;
        check_connection(
            &format!("tunnel.profiles.{name}"),
            &profile.public_host,
            &profile.tunnel_id,
            &profile.extra_args,
        )?;
    }
    let is_known = settings.profile.is_empty() || settings.profiles.contains_key(&settings.profile);
    if is_known {
        Ok(())
    } else {
        Err(format!(
            "`tunnel.profile` must be the name of a profile or empty, and there is no `{}`",
            settings.profile
        ))
    }
}

/// A name is part of a key in the file and of the name of a secret.
fn check_name(name: &str) -> Result<(), String> {
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let is_name = (1..=NAME_CHARS_MAX).contains(&name.len()) && name != NONE && name.bytes().all(is_plain);
    if is_name {
        Ok(())
    } else {
        Err(format!(
            "`{name}` cannot name a profile: at most {NAME_CHARS_MAX} of a-z, 0-9, - and _, and not `{NONE}`"
        ))
    }
}

/// The profiles, as rows.
pub(crate) fn listed(settings: &TunnelSettings) -> serde_json::Value {
    let row = |(name, profile): (&String, &Profile)| {
        json!({
            "name": name,
            "mode": profile.mode.as_str(),
            "public_host": profile.public_host,
            "in_use": *name == settings.profile,
        })
    };
    settings.profiles.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> TunnelSettings {
        let work = Profile {
            mode: Mode::Token,
            ..Profile::default()
        };
        TunnelSettings {
            profiles: [("work".to_owned(), work)].into(),
            ..TunnelSettings::default()
        }
    }

    fn after(settings: &TunnelSettings, line: &str) -> Result<Change, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        change(settings, &Act::parse(&words)?)
    }

    #[test]
    fn the_chosen_profile_is_what_is_in_force_and_the_rest_stays() {
        let mut settings = settings();
        settings.auto_off_h = 3;
        assert_eq!(settings.chosen().mode, Mode::Quick);
        assert_eq!(settings.names().token, "tunnel-token");

        settings.profile = "work".to_owned();

        let chosen = settings.chosen();
        assert_eq!((chosen.mode, chosen.auto_off_h), (Mode::Token, 3));
        assert_eq!(settings.names().token, "tunnel-token-work");
        assert!(chosen.starts_differently(&TunnelSettings::default()));
    }

    #[test]
    fn profiles_are_created_chosen_renamed_and_deleted() {
        let mut settings = settings();
        let work = settings.profiles["work"].clone();

        assert_eq!(
            after(&settings, "choose work"),
            Ok(Change::Choose("work".to_owned()))
        );
        assert_eq!(after(&settings, "choose none"), Ok(Change::Choose(String::new())));
        let rename = |is_chosen| Change::Rename {
            from: "work".to_owned(),
            to: "office".to_owned(),
            profile: work.clone(),
            is_chosen,
        };
        assert_eq!(after(&settings, "rename work office"), Ok(rename(false)));
        assert_eq!(
            after(&settings, "delete work"),
            Ok(Change::Delete("work".to_owned()))
        );
        settings.profile = "work".to_owned();
        assert_eq!(after(&settings, "rename work office"), Ok(rename(true)));
        let created = after(&settings, "create home").unwrap();
        assert!(matches!(created, Change::Keep { profile, .. } if profile.mode == Mode::Token));
        assert!(after(&settings, "delete work").unwrap_err().contains("in use"));
        assert_eq!(after(&settings, "list"), Ok(Change::None));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_reason() {
        let settings = settings();
        for line in [
            "choose nobody",
            "delete nobody",
            "rename nobody x",
            "create work",
            "rename work work",
            "create Work",
            "create none",
            "create a.b",
            "create",
            "nonsense x",
        ] {
            assert!(after(&settings, line).is_err(), "{line}");
        }
        let mut lost = settings;
        lost.profile = "nobody".to_owned();
        assert!(check(&lost).is_err());
        lost.profile.clear();
        assert_eq!(check(&lost), Ok(()));
        lost.profiles.get_mut("work").unwrap().public_host = "http://x".to_owned();
        assert!(check(&lost).unwrap_err().contains("tunnel.profiles.work"));
    }
}
