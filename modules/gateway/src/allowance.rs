//! What one device may use from outside, and what it has used: a lost phone, or a page gone wild, takes neither the
//! line nor the processor from everybody else.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const MINUTE_MS: u64 = 60 * 1000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// The limits; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) requests_per_min: u32,
    pub(crate) mib_per_h: u32,
}

/// Counts for one session.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    requests: AtomicU64,
    bytes: AtomicU64,
    spans: Mutex<Spans>,
}

#[derive(Debug, Default)]
struct Spans {
    minute: Span,
    hour: Span,
}

/// A span of time, and what the count was when it began.
#[derive(Debug, Default, Clone, Copy)]
struct Span {
    began_ms: u64,
    at_begin: u64,
}

impl Span {
    /// What was counted in the span of `length_ms` that `now_ms` is in, and how much of it is left.
    fn used(&mut self, now_ms: u64, length_ms: u64, count: u64) -> (u64, Duration) {
        // Also when a clock was set back.
        if now_ms.abs_diff(self.began_ms) >= length_ms || now_ms < self.began_ms {
            *self = Self {
                began_ms: now_ms,
                at_begin: count,
            };
        }
        let left_ms = length_ms - (now_ms - self.began_ms);
        (
            count.saturating_sub(self.at_begin),
            Duration::from_millis(left_ms),
        )
    }
}

impl Allowance {
    /// Counts one more request.
    ///
    /// # Errors
    /// How long until there is room again; nothing is counted then.
    pub(crate) fn request(&self, now_ms: u64, limits: Limits) -> Result<(), Duration> {
        self.check(now_ms, limits)?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Whether there is room for more.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub(crate) fn check(&self, now_ms: u64, limits: Limits) -> Result<(), Duration> {
        let (requests, bytes) = self.used();
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let (in_minute, minute_left) = spans.minute.used(now_ms, MINUTE_MS, requests);
        let (in_hour, hour_left) = spans.hour.used(now_ms, HOUR_MS, bytes);
        let bytes_max = u64::from(limits.mib_per_h) * 1024 * 1024;
        if limits.mib_per_h > 0 && in_hour >= bytes_max {
            return Err(hour_left);
        }
        if limits.requests_per_min > 0 && in_minute >= u64::from(limits.requests_per_min) {
            return Err(minute_left);
        }
        Ok(())
    }

    /// Counts what was sent to the device or came from it.
    pub(crate) fn spend(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Requests and bytes since the program started.
    pub(crate) fn used(&self) -> (u64, u64) {
        (
            self.requests.load(Ordering::Relaxed),
            self.bytes.load(Ordering::Relaxed),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        requests_per_min: 3,
        mib_per_h: 1,
    };

    #[test]
    fn so_many_requests_fit_into_a_minute() {
        let allowance = Allowance::default();
        let begin = 10 * HOUR_MS;
        for _ in 0..3 {
            assert_eq!(allowance.request(begin, LIMITS), Ok(()));
        }

        assert_eq!(
            allowance.request(begin + 10_000, LIMITS),
            Err(Duration::from_secs(50))
        );
        assert_eq!(allowance.request(begin + MINUTE_MS, LIMITS), Ok(()));
        assert_eq!(allowance.used().0, 4);
    }

    #[test]
    fn so_many_bytes_fit_into_an_hour() {
        let allowance = Allowance::default();
        let begin = 10 * HOUR_MS;
        assert_eq!(allowance.request(begin, LIMITS), Ok(()));
        allowance.spend(1024 * 1024);

        assert_eq!(
            allowance.request(begin + MINUTE_MS, LIMITS),
            Err(Duration::from_secs(59 * 60))
        );
        assert_eq!(allowance.request(begin + HOUR_MS, LIMITS), Ok(()));
    }

    #[test]
    fn no_limit_is_none_and_a_clock_set_back_locks_nobody_out() {
        let none = Limits {
            requests_per_min: 0,
            mib_per_h: 0,
        };
        let allowance = Allowance::default();
        for _ in 0..1000 {
            assert_eq!(allowance.request(1_000_000_000, none), Ok(()));
        }
        assert!(allowance.request(1_000_000_000, LIMITS).is_err());
        assert_eq!(allowance.request(1_000, LIMITS), Ok(()));
    }
}
