//! What may make a bubble, and when.

use jiff::Zoned;
use kit::{Applies, Field, Kind, NoticeKind, Section};
use serde::{Deserialize, Serialize};

/// The `[notices]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NoticesSettings {
    /// No bubbles at all until this is off again.
    pub paused: bool,
    /// When bubbles cease for the night, `HH:MM` in local time; empty for never.
    pub quiet_from: String,
    /// When they begin again.
    pub quiet_to: String,
    /// A permission or a question waits.
    pub waiting: bool,
    /// A session is done or has failed.
    pub session: bool,
    /// The server went down or came back.
    pub server: bool,
    /// Remote access changed.
    pub tunnel: bool,
    /// Somebody logged in.
    pub login: bool,
    /// A newer version is there.
    pub update: bool,
    /// Something about this installation.
    pub agent: bool,
    /// Devices away from the machine are told what a session is about.
    pub away_details: bool,
    /// Devices are sent a new address of this machine, with a link that pairs them again.
    pub away_address: bool,
}

impl Default for NoticesSettings {
    fn default() -> Self {
        Self {
            paused: false,
            quiet_from: String::new(),
            quiet_to: String::new(),
            waiting: true,
            session: true,
            server: true,
            tunnel: true,
            login: true,
            update: true,
            agent: true,
            away_details: false,
            away_address: false,
        }
    }
}

const fn switch(key: &'static str, label: &'static str, help: &'static str) -> Field {
    Field {
        key,
        label,
        help,
        kind: Kind::Switch,
        applies: Applies::Now,
    }
}

const fn time(key: &'static str, label: &'static str, help: &'static str) -> Field {
    Field {
        key,
        label,
        help,
        kind: Kind::Text { chars_max: 5 },
        applies: Applies::Now,
    }
}

impl Section for NoticesSettings {
    const ID: &'static str = "notices";
    const FIELDS: &'static [Field] = &[
        switch(
            "paused",
            "Pause",
            "Shows no bubbles, and tells no devices, until this is off again. The list goes on.",
        ),
        time(
            "quiet_from",
            "Quiet from",
            "From this time of day on there are no bubbles and devices are told nothing, e.g. 22:00. Empty for never.",
        ),
        time(
            "quiet_to",
            "Quiet until",
            "Bubbles begin again at this time of day, e.g. 07:00.",
        ),
        switch(
            "waiting",
            "Waiting for you",
            "A permission or a question waits for an answer.",
        ),
        switch(
            "session",
            "Session done",
            "A session is done or has failed while nobody was looking at it.",
        ),
        switch(
            "server",
            "Server",
            "opencode went down, came back or was given up.",
        ),
        switch(
            "tunnel",
            "Remote access",
            "Remote access went up or down, or its address changed.",
        ),
        switch("login", "Logins", "Somebody logged in, or the password changed."),
        switch("update", "Updates", "A newer version is there."),
        switch(
            "agent",
            "This program",
            "Something about this installation, such as a file that could not be read.",
        ),
        switch(
            "away_details",
            "Say more to devices",
            "Devices away from this machine are told what a session is called, what it asks and how it ended, and whoever \
             holds one can answer short requests from the notice, on many also while it is locked. Without it they hear \
             only that one waits, is done or has failed.",
        ),
        switch(
            "away_address",
            "Send new addresses",
            "When this machine is reached under another address than before, as a quick tunnel is after each start, each \
             device that is notified is sent the new one with a link that pairs it again: once, within ten minutes, and for \
             whoever holds the device, without a password. Without it, scan a code at the machine.",
        ),
    ];

    fn check(&self) -> Result<(), String> {
        for (key, text) in [("quiet_from", &self.quiet_from), ("quiet_to", &self.quiet_to)] {
            if !text.is_empty() && minute(text).is_none() {
                return Err(format!(
                    "`notices.{key}` must be a time of day such as 22:00, or empty, not {text:?}"
                ));
            }
        }
        Ok(())
    }
}

impl NoticesSettings {
    /// Whether this kind may make bubbles.
    pub(crate) fn allows(&self, kind: NoticeKind) -> bool {
        match kind {
            NoticeKind::Waiting => self.waiting,
            NoticeKind::Session => self.session,
            NoticeKind::Server => self.server,
            NoticeKind::Tunnel => self.tunnel,
            NoticeKind::Login => self.login,
            NoticeKind::Update => self.update,
            NoticeKind::Agent => self.agent,
        }
    }

    /// Whether the quiet hours hold at `now`, a minute of the day.
    pub(crate) fn is_quiet(&self, now: u16) -> bool {
        let (Some(from), Some(to)) = (minute(&self.quiet_from), minute(&self.quiet_to)) else {
            return false;
        };
        if from <= to {
            (from..to).contains(&now)
        } else {
            now >= from || now < to
        }
    }
}

/// The minute of the day in `HH:MM`.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let is_written = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_written(hours) || !is_written(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// The minute of the day at `time`, in its own zone.
pub(crate) fn minute_of(time: &Zoned) -> u16 {
    u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_may_span_midnight() {
        let quiet = |from: &str, to: &str, now: &str| {
            let settings = NoticesSettings {
                quiet_from: from.to_owned(),
                quiet_to: to.to_owned(),
                ..NoticesSettings::default()
            };
            assert_eq!(settings.check(), Ok(()));
            settings.is_quiet(minute(now).unwrap())
        };

        assert!(quiet("22:00", "07:00", "23:59"));
        assert!(quiet("22:00", "07:00", "00:00"));
        assert!(quiet("22:00", "07:00", "06:59"));
        assert!(!quiet("22:00", "07:00", "07:00"));
        assert!(!quiet("22:00", "07:00", "21:59"));
        assert!(quiet("09:00", "17:30", "17:29"));
        assert!(!quiet("09:00", "17:30", "17:30"));
        assert!(!quiet("", "", "03:00"));
        // One without the other is half a change.
        assert!(!quiet("22:00", "", "23:00"));
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        for (from, to) in [
            ("22", "07:00"),
            ("24:00", "07:00"),
            ("22:60", "07:00"),
            ("+1:00", "07:00"),
        ] {
            let settings = NoticesSettings {
                quiet_from: from.to_owned(),
                quiet_to: to.to_owned(),
                ..NoticesSettings::default()
            };
            assert!(settings.check().is_err(), "{from} {to}");
        }
    }
}
