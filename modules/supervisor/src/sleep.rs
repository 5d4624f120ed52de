//! Finds out that time passed without us: the machine slept, or this process was stopped.

use std::time::{Duration, Instant};

/// A timer this late was not merely delayed by load.
const LATE: Duration = Duration::from_secs(30);

/// More sleep than this is no error of measurement.
const SLEPT: Duration = Duration::from_secs(1);

/// Remembers how long the machine had slept.
#[derive(Debug)]
pub(crate) struct Sleep {
    seen: Duration,
}

impl Sleep {
    pub(crate) fn new(slept: Duration) -> Self {
        Self { seen: slept }
    }

    /// Whether time was missed up to `now`. `slept` is the system's figure; `due` is when something should have woken
    /// us, if anything should have.
    pub(crate) fn was_missed(&mut self, slept: Duration, due: Option<Instant>, now: Instant) -> bool {
        let further = slept.saturating_sub(self.seen);
        self.seen = slept;
        further >= SLEPT || due.is_some_and(|due| now.saturating_duration_since(due) >= LATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_noticed_once_and_load_is_no_sleep() {
        let begin = Instant::now();
        let seconds = Duration::from_secs;
        // A machine may have slept before this process began.
        let mut sleep = Sleep::new(seconds(86_400));

        assert!(!sleep.was_missed(seconds(86_400), None, begin));
        assert!(!sleep.was_missed(seconds(86_400), Some(begin), begin + seconds(20)));
        assert!(sleep.was_missed(seconds(90_000), None, begin));
        assert!(!sleep.was_missed(seconds(90_000), None, begin));
        assert!(sleep.was_missed(seconds(90_000), Some(begin), begin + seconds(600)));
    }
}
