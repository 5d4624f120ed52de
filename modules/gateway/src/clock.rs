//! The time that expiry is judged by.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// The wall clock, except that it never goes back and never stands still: setting the machine's clock back must not
/// revive what has expired, and a clock that was once far ahead must not keep alive for ever what began then.
pub struct Clock {
    source: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    last: Mutex<Reading>,
}

struct Reading {
    /// Since the epoch.
    time: Duration,
    at: Instant,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::over(Arc::new(SystemTime::now))
    }

    /// Any clock, for tests.
    pub fn over(source: Arc<dyn Fn() -> SystemTime + Send + Sync>) -> Self {
        let last = Reading {
            time: Duration::ZERO,
            at: Instant::now(),
        };
        Self {
            source,
            last: Mutex::new(last),
        }
    }

    /// What the wall clock says, wherever it was set to. For what others read off clocks of their own, like the codes of an
    /// app; nothing expires by it.
    pub(crate) fn wall(&self) -> SystemTime {
        (self.source)()
    }

    /// What the wall clock says, or the latest time seen and what has passed since, whichever is later.
    pub fn now(&self) -> SystemTime {
        let read = since_epoch((self.source)());
        self.advance(read, Instant::now())
    }

    /// Never goes below `floor` from now on: the highest time of an earlier run.
    pub(crate) fn not_before(&self, floor: SystemTime) {
        self.advance(since_epoch(floor), Instant::now());
    }

    fn advance(&self, read: Duration, at: Instant) -> SystemTime {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = last.time.saturating_add(at.saturating_duration_since(last.at));
        *last = Reading {
            time: passed.max(read),
            at: at.max(last.at),
        };
        SystemTime::UNIX_EPOCH + last.time
    }
}

/// Times before the epoch count as the epoch.
fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Milliseconds since the epoch; times before it count as the epoch.
pub(crate) fn to_ms(time: SystemTime) -> u64 {
    u64::try_from(since_epoch(time).as_millis()).unwrap_or(u64::MAX)
}

/// The other way.
pub(crate) fn from_ms(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
}

/// As the database keeps it.
pub(crate) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn it_follows_the_wall_clock_and_goes_on_when_that_goes_back() {
        let clock = Clock::over(Arc::new(SystemTime::now));
        let begun = Instant::now();
        let at = |hours: u32| SystemTime::UNIX_EPOCH + HOUR * hours;

        assert_eq!(clock.advance(HOUR * 1000, begun), at(1000));
        assert_eq!(clock.advance(HOUR * 1001, begun + HOUR), at(1001));
        assert_eq!(
            clock.advance(HOUR * 9000, begun + HOUR),
            at(9000),
            "it was set ahead"
        );
        assert_eq!(clock.advance(HOUR * 1002, begun + HOUR), at(9000), "and back");
        assert_eq!(clock.advance(HOUR * 1003, begun + HOUR * 3), at(9002));
        assert_eq!(clock.advance(HOUR * 9999, begun + HOUR * 3), at(9999));
    }

    #[test]
    fn a_floor_holds_from_the_beginning() {
        let clock = Clock::over(Arc::new(|| SystemTime::UNIX_EPOCH));
        let floor = SystemTime::UNIX_EPOCH + HOUR;

        clock.not_before(floor);

        assert!(clock.now() >= floor);
    }
}
