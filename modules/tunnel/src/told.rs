//! What the owner hears of remote access. Pure.

use kit::{Audience, Away, Notice, NoticeKind, State, Status};

/// What was told last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Told {
    /// Nothing, or that it is off.
    #[default]
    Off,
    /// That it is on, under this address.
    On(String),
    /// That it needs its owner.
    Stuck,
}

impl Told {
    /// Follows remote access to its next state; the notice to send, if there is something new to say. A lost connection
    /// that cloudflared mends by itself is nothing to tell.
    pub(crate) fn follow(&mut self, status: &Status, url: Option<&str>) -> Option<Notice> {
        match (status.state, url) {
            (State::Connected, Some(url)) => {
                let before = std::mem::replace(self, Self::On(url.to_owned()));
                match before {
                    Self::On(former) if former == url => None,
                    Self::On(_) => Some(address(
                        "This machine has a new address",
                        format!("It is reached at {url} now; the former address leads nowhere."),
                    )),
                    Self::Off | Self::Stuck => Some(address(
                        "This machine can be reached from outside",
                        format!(
                            "{url} leads to the chat, behind your password. Traffic passes Cloudflare, which could read it."
                        ),
                    )),
                }
            }
            (State::NeedsAction | State::Degraded, _) if *self != Self::Stuck => {
                *self = Self::Stuck;
                let reason = status.reason.clone().unwrap_or_default();
                Some(notice("Remote access needs you", reason))
            }
            (State::Off | State::Blocked, _) => {
                *self = Self::Off;
                None
            }
            _ => None,
        }
    }
}

/// Remote access went off without its owner's doing.
pub(crate) fn shut(reason: &str) -> Notice {
    notice("Remote access is off", reason.to_owned())
}

/// The last program died with it on.
pub(crate) fn ended_with_program() -> Notice {
    notice(
        "Remote access is off",
        "The program ended unexpectedly while this machine could be reached, and was started again. Switch remote access on \
         once more if you want it; `tunnel.autostart` has that done at each start."
            .to_owned(),
    )
}

/// A download nobody waits for came to nothing.
pub(crate) fn not_downloaded(reason: &str) -> Notice {
    notice("cloudflared was not downloaded", reason.to_owned())
}

/// Of an address; devices that know another one may be sent it.
fn address(title: &str, body: String) -> Notice {
    Notice {
        away: Some(Away {
            brief: "This machine has a new address",
            folder: None,
            audience: Audience::Moved,
        }),
        ..notice(title, body)
    }
}

fn notice(title: &str, body: String) -> Notice {
    Notice {
        kind: NoticeKind::Tunnel,
        key: crate::ID.to_owned(),
        title: title.to_owned(),
        body,
        page: "/dashboard".to_owned(),
        answers: Vec::new(),
        away: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn one_notice_per_change_and_none_for_what_mends_itself() {
        let mut told = Told::default();
        let mut follow = |state, url: Option<&str>| {
            let status = Status::new(state, SystemTime::UNIX_EPOCH).because("x");
            told.follow(&status, url).map(|notice| notice.title)
        };
        let (first, second) = (
            Some("https://a.trycloudflare.com"),
            Some("https://b.trycloudflare.com"),
        );

        assert_eq!(follow(State::Starting, None), None);
        assert!(follow(State::Connected, first).unwrap().contains("from outside"));
        assert_eq!(follow(State::Connected, first), None);
        assert_eq!(follow(State::Reconnecting, first), None);
        assert_eq!(follow(State::Connected, first), None);
        assert!(follow(State::Connected, second).unwrap().contains("new address"));
        assert!(follow(State::NeedsAction, second).unwrap().contains("needs you"));
        assert_eq!(follow(State::NeedsAction, second), None);
        assert_eq!(follow(State::Off, None), None);
    }
}
