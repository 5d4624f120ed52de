//! Whether the public name leads here, as somebody outside would find it.
//!
//! A fresh name that is asked for too early is remembered as missing for half an hour, by this machine and its router. So
//! it is asked for late and seldom, and that it is not known yet is no failure.

use std::time::{Duration, SystemTime};

use supervisor::test_factor;
use tokio::time::Instant;

use super::{Life, asking::Learned};

/// Before each try, from the one before it. The first is counted from the connection.
const WAITS: [Duration; 4] = [
    Duration::from_secs(20),
    Duration::from_secs(90),
    Duration::from_secs(600),
    Duration::from_secs(1800),
];

/// What is known of the way from outside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Reach {
    /// It was not tried yet.
    #[default]
    Unknown,
    /// It led here.
    Seen(SystemTime),
    /// It did not, which may pass; in a few words.
    NotYet(String),
}

/// The tries for one name.
#[derive(Debug, Default)]
pub(super) struct Tries {
    host: Option<String>,
    count: usize,
    next: Option<Instant>,
    pub(super) reach: Reach,
}

impl Tries {
    /// When the next one is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next
    }

    /// Follows what is served: a name is tried while the tunnel is connected, and once it was seen no more.
    pub(super) fn follow(&mut self, host: Option<&str>, is_connected: bool) {
        if self.host.as_deref() != host {
            *self = Self {
                host: host.map(str::to_owned),
                ..Self::default()
            };
        }
        let is_open = is_connected && self.host.is_some() && !matches!(self.reach, Reach::Seen(_));
        if !is_open {
            self.next = None;
        } else if self.next.is_none()
            && let Some(wait) = WAITS.get(self.count)
        {
            self.next = Some(Instant::now() + wait.mul_f64(test_factor()));
        }
    }

    /// The name to try, whose time has come.
    fn begin(&mut self) -> Option<String> {
        self.next = None;
        self.count += 1;
        self.host.clone()
    }

    /// What came of it.
    pub(super) fn end(&mut self, host: &str, outcome: Result<(), String>, now: SystemTime) {
        if self.host.as_deref() == Some(host) {
            self.reach = match outcome {
                Ok(()) => Reach::Seen(now),
                Err(why) => Reach::NotYet(why),
            };
        }
    }
}

impl Life<'_> {
    /// Looks from outside.
    pub(super) fn try_reach(&mut self) {
        let Some(host) = self.tries.begin() else {
            return;
        };
        let reached = (self.module.reached)(host.clone());
        self.asking.spawn(async move {
            Learned::Reached {
                outcome: reached.await,
                host,
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "a-b.trycloudflare.com";

    #[tokio::test(start_paused = true)]
    async fn a_name_is_tried_late_and_ever_more_seldom_until_it_was_seen() {
        let mut tries = Tries::default();
        tries.follow(Some(HOST), false);
        assert_eq!(tries.due(), None);
        for wait in WAITS {
            tries.follow(Some(HOST), true);
            assert_eq!(tries.due(), Some(Instant::now() + wait));
            assert_eq!(tries.begin().as_deref(), Some(HOST));
            tries.end(
                HOST,
                Err("the name is not known yet".to_owned()),
                SystemTime::UNIX_EPOCH,
            );
            assert!(matches!(tries.reach, Reach::NotYet(_)));
        }
        tries.follow(Some(HOST), true);
        assert_eq!(tries.due(), None);

        tries.follow(Some("another.example.com"), true);
        assert_eq!(tries.reach, Reach::Unknown);
        tries.begin();
        // An answer about the former name says nothing of this one.
        tries.end(HOST, Ok(()), SystemTime::UNIX_EPOCH);
        assert_eq!(tries.reach, Reach::Unknown);
        tries.end("another.example.com", Ok(()), SystemTime::UNIX_EPOCH);
        tries.follow(Some("another.example.com"), true);
        assert_eq!(tries.due(), None);
    }
}
