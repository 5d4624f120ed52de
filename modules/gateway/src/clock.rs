//! The time that expiry is judged by.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

/// The wall clock, except that it never goes back: setting the machine's clock back must not revive what has expired.
pub struct Clock {
    source: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    highest_ms: AtomicU64,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::over(Arc::new(SystemTime::now))
    }

    /// Any clock, for tests.
    pub fn over(source: Arc<dyn Fn() -> SystemTime + Send + Sync>) -> Self {
        Self {
            source,
            highest_ms: AtomicU64::new(0),
        }
    }

    /// The latest time seen so far.
    pub fn now(&self) -> SystemTime {
        let read = to_ms((self.source)());
        let highest = self.highest_ms.fetch_max(read, Ordering::AcqRel).max(read);
        from_ms(highest)
    }

    /// Never goes below `floor` from now on: the highest time of an earlier run.
    pub(crate) fn not_before(&self, floor: SystemTime) {
        self.highest_ms.fetch_max(to_ms(floor), Ordering::AcqRel);
    }
}

/// Milliseconds since the epoch; times before it count as the epoch.
pub(crate) fn to_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The other way.
pub(crate) fn from_ms(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
}
