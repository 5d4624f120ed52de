//! Times as a person reads them.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use kit::time::rfc3339;
use maud::{Markup, html};

/// Younger than this is "just now".
const JUST_S: u64 = 5;
const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;
const DAY_S: u64 = 24 * HOUR_S;

/// How long ago, e.g. `12 min ago`; a date after a day. The script keeps it true and adds the local time as tooltip.
pub fn ago(time: SystemTime, now: SystemTime) -> Markup {
    html! { time datetime=(rfc3339(time)) data-ago="ago" { (ago_text(time, now)) } }
}

/// The same for narrow places, e.g. `12 min`.
pub fn ago_short(time: SystemTime, now: SystemTime) -> Markup {
    let text = ago_text(time, now);
    html! { time datetime=(rfc3339(time)) data-ago="short" { (text.strip_suffix(" ago").unwrap_or(&text)) } }
}

/// How long something has lasted, e.g. `for 3 h`; `since 20 Nov` after a day.
pub fn lasting(time: SystemTime, now: SystemTime) -> Markup {
    let age = now.duration_since(time).unwrap_or_default();
    let text = if age.as_secs() < DAY_S {
        format!("for {}", span(age))
    } else {
        format!("since {}", date(time, now))
    };
    html! { time datetime=(rfc3339(time)) data-ago="for" { (text) } }
}

/// A count down, e.g. `in 4 s`; `now` when it is due.
pub fn until(time: SystemTime, now: SystemTime) -> Markup {
    let text = match time.duration_since(now) {
        Ok(rest) if rest.as_secs() > 0 => format!("in {}", span(rest)),
        Ok(_) | Err(_) => "now".to_owned(),
    };
    html! { time datetime=(rfc3339(time)) data-ago="until" { (text) } }
}

/// A length of time by its largest unit, e.g. `3 h`.
pub fn span(length: Duration) -> String {
    match length.as_secs() {
        seconds @ 0..MINUTE_S => format!("{seconds} s"),
        seconds @ MINUTE_S..HOUR_S => format!("{} min", seconds / MINUTE_S),
        seconds @ HOUR_S..DAY_S => format!("{} h", seconds / HOUR_S),
        seconds => format!("{} d", seconds / DAY_S),
    }
}

fn ago_text(time: SystemTime, now: SystemTime) -> String {
    let age = now.duration_since(time).unwrap_or_default();
    match age.as_secs() {
        0..JUST_S => "just now".to_owned(),
        JUST_S..DAY_S => format!("{} ago", span(age)),
        _ => date(time, now),
    }
}

/// The day in UTC, with the year when it is another one; the script shows the reader's own day.
fn date(time: SystemTime, now: SystemTime) -> String {
    let day = |time| Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    let (then, today) = (day(time), day(now));
    let format = if then.strftime("%Y").to_string() == today.strftime("%Y").to_string() {
        "%-d %b"
    } else {
        "%-d %b %Y"
    };
    then.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_up_to_a_day() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_261_600);
        let check = |age_s: u64, expected: &str| {
            assert_eq!(ago_text(now - Duration::from_secs(age_s), now), expected);
        };

        check(0, "just now");
        check(42, "42 s ago");
        check(12 * 60 + 59, "12 min ago");
        check(3 * 3600, "3 h ago");
        check(86_400, "31 Dec 2025");
        check(3 * 365 * 86_400, "2 Jan 2023");
    }

    #[test]
    fn a_time_ahead_is_counted_down() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_261_600);

        let shown = until(now + Duration::from_secs(4), now).into_string();

        assert_eq!(
            shown,
            r#"<time datetime="2026-01-01T10:00:04Z" data-ago="until">in 4 s</time>"#
        );
        assert!(
            until(now - Duration::from_secs(1), now)
                .into_string()
                .contains(">now<")
        );
    }
}
