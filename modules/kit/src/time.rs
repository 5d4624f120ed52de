//! Times as text.

use std::time::SystemTime;

use jiff::Timestamp;

/// RFC 3339 in UTC with seconds, e.g. `2026-01-01T10:00:00Z`; a time no calendar holds gives the epoch.
pub fn rfc3339(time: SystemTime) -> String {
    let stamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// For file names, e.g. `20260101T100000Z`.
pub fn file_stamp(time: SystemTime) -> String {
    rfc3339(time).replace(['-', ':'], "")
}

/// The time of day where this machine is, e.g. `18:05`.
pub fn clock(time: SystemTime) -> String {
    let stamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    stamp
        .to_zoned(jiff::tz::TimeZone::system())
        .strftime("%H:%M")
        .to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_utc() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_261_600);

        assert_eq!(rfc3339(time), "2026-01-01T10:00:00Z");
        assert_eq!(file_stamp(time), "20260101T100000Z");
    }
}
