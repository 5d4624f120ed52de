//! `[access]` of the settings file.

use kit::{Applies, Field, Kind, Section};
use serde::{Deserialize, Serialize};

/// See [`Section::FIELDS`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessSettings {
    /// The first part of `TEAM.cloudflareaccess.com`.
    pub team: String,
    /// The application's audience tag.
    pub audience: String,
}

/// Longest part of a name.
const TEAM_CHARS_MAX: usize = 63;
/// Longer than any tag.
const AUDIENCE_CHARS_MAX: usize = 128;

impl AccessSettings {
    /// Whether visitors have to have passed it.
    pub fn is_asked_for(&self) -> bool {
        !self.team.is_empty() || !self.audience.is_empty()
    }

    /// What keeps it from being checked, as a sentence.
    pub(crate) fn fault(&self) -> Option<String> {
        let missing = match (self.team.is_empty(), self.audience.is_empty()) {
            (true, false) => "team",
            (false, true) => "audience",
            (true, true) | (false, false) => return None,
        };
        Some(format!(
            "Cloudflare Access is asked for, but `access.{missing}` is not set, so nobody could be checked. Set it, or empty \
             both."
        ))
    }

    /// Who signs, as it stands in a token.
    pub(crate) fn issuer(&self) -> String {
        format!("https://{}.cloudflareaccess.com", self.team)
    }
}

impl Section for AccessSettings {
    const ID: &'static str = "access";
    const FIELDS: &'static [Field] = &[
        Field {
            key: "team",
            label: "Access team",
            help: "The team of Cloudflare Access in front of the public name: the first part of TEAM.cloudflareaccess.com. \
                   Empty for none.",
            kind: Kind::Text {
                chars_max: TEAM_CHARS_MAX,
            },
            applies: Applies::Now,
        },
        Field {
            key: "audience",
            label: "Access audience",
            help: "The audience tag (AUD) of the Access application. Whoever comes without a token for it is refused before \
                   anything else is looked at. Empty for none.",
            kind: Kind::Text {
                chars_max: AUDIENCE_CHARS_MAX,
            },
            applies: Applies::Now,
        },
    ];

    fn check(&self) -> Result<(), String> {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !self.team.bytes().all(is_name) {
            return Err(format!(
                "`access.team` must be the part before .cloudflareaccess.com, e.g. my-team, not {:?}",
                self.team
            ));
        }
        if !self.audience.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(
                "`access.audience` must be the tag as Cloudflare shows it, letters and digits".to_owned(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(team: &str, audience: &str) -> AccessSettings {
        AccessSettings {
            team: team.to_owned(),
            audience: audience.to_owned(),
        }
    }

    #[test]
    fn one_without_the_other_is_a_fault_and_neither_is_nothing() {
        assert_eq!(settings("", "").fault(), None);
        assert!(!settings("", "").is_asked_for());
        assert_eq!(settings("team", "4714c1358e65").fault(), None);
        assert!(settings("team", "").fault().unwrap().contains("access.audience"));
        assert!(
            settings("", "4714c1358e65")
                .fault()
                .unwrap()
                .contains("access.team")
        );
        assert!(settings("team", "").is_asked_for());
    }

    #[test]
    fn a_team_cannot_name_another_host() {
        for team in ["evil.example/", "a.b", "team@evil", "Team", "team/..", "team#"] {
            assert!(settings(team, "").check().is_err(), "{team}");
        }
        assert_eq!(
            settings("my-team1", "4714c1358e65fe4b408ad6d432a5f878").check(),
            Ok(())
        );
    }
}
