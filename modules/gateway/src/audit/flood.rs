//! What comes in floods is told in part: somebody who tries passwords or codes all night must not fill the disk, and has to
//! go on for months to push out what was done before.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use super::hear::Heard;

/// A kind of refusal is written down so often within [`WINDOW`]; what is beyond is counted.
const LINES_MAX: u32 = 5;
const WINDOW: Duration = Duration::from_secs(3600);

/// How much there was of each kind of refusal.
#[derive(Debug, Default)]
pub struct Flood(BTreeMap<(String, String), Tally>);

#[derive(Debug)]
struct Tally {
    since: SystemTime,
    lines: u32,
    skipped: u64,
}

impl Flood {
    /// The lines to write now that this was heard: itself, before it what was skipped earlier, or nothing. What
    /// succeeded is always written.
    pub fn admit(&mut self, heard: Heard) -> Vec<Heard> {
        let result = heard.text("result");
        if matches!(result, "" | "right") {
            return vec![heard];
        }
        let kind = (heard.event.clone(), result.to_owned());
        let tally = self.0.entry(kind).or_insert(Tally {
            since: heard.at,
            lines: 0,
            skipped: 0,
        });
        let mut lines = Vec::new();
        // A clock that is turned back begins a new window too.
        if heard
            .at
            .duration_since(tally.since)
            .map_or(true, |past| past >= WINDOW)
        {
            lines.extend(skipped(&heard.event, result, tally.skipped, heard.at));
            *tally = Tally {
                since: heard.at,
                lines: 0,
                skipped: 0,
            };
        }
        if tally.lines < LINES_MAX {
            tally.lines += 1;
            lines.push(heard);
        } else {
            tally.skipped += 1;
        }
        lines
    }

    /// What was skipped and not told yet.
    pub fn rest(&mut self, now: SystemTime) -> Vec<Heard> {
        let tallies = std::mem::take(&mut self.0).into_iter();
        tallies
            .filter_map(|((event, result), tally)| skipped(&event, &result, tally.skipped, now))
            .collect()
    }
}

fn skipped(event: &str, result: &str, count: u64, at: SystemTime) -> Option<Heard> {
    (count > 0).then(|| {
        let mut heard = Heard::lost(count, at);
        heard.event = event.to_owned();
        heard.fields.insert("result".to_owned(), result.into());
        heard
            .fields
            .insert("text".to_owned(), "further ones like those before".into());
        heard
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(result: &str, at_s: u64) -> Heard {
        let mut heard = Heard::lost(1, SystemTime::UNIX_EPOCH + Duration::from_secs(at_s));
        heard.event = "login".to_owned();
        heard.fields.insert("result".to_owned(), result.into());
        heard
    }

    #[test]
    fn a_night_of_guesses_is_some_lines_an_hour_and_their_number() {
        let mut flood = Flood::default();

        let mut written: Vec<Heard> = (0..10_000)
            .flat_map(|second| flood.admit(login("wrong", second)))
            .collect();
        written.extend(flood.rest(SystemTime::UNIX_EPOCH + Duration::from_secs(10_000)));

        // Three windows, and what was beyond them.
        assert_eq!(written.len(), 3 * 5 + 3);
        let told: u64 = written
            .iter()
            .map(|line| line.fields["count"].as_u64().unwrap())
            .sum();
        assert_eq!(told, 10_000);
        assert!(flood.rest(SystemTime::UNIX_EPOCH).is_empty());
    }

    #[test]
    fn what_succeeds_is_always_written_and_kinds_are_apart() {
        let mut flood = Flood::default();
        for second in 0..100 {
            flood.admit(login("wrong", second));
        }

        assert_eq!(flood.admit(login("right", 100)).len(), 1);
        assert_eq!(flood.admit(login("locked", 100)).len(), 1);
        assert!(flood.admit(login("wrong", 100)).is_empty());
    }
}
