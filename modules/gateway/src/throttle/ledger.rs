//! The rules of the throttle, as a function of attempts and time.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, SystemTime},
};

use kit::Listener;

/// Wrong passwords from one source within [`WINDOW`] before it is locked.
pub const FAILURES_MAX: u32 = 5;

/// See [`FAILURES_MAX`].
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// The first lock; each further one is twice as long.
const LOCK_FIRST: Duration = Duration::from_secs(15 * 60);

/// The longest lock. A source that keeps quiet for as long after one starts afresh.
const LOCK_MAX: Duration = Duration::from_secs(24 * 3600);

/// Sources remembered; beyond it the one whose failures are oldest is forgotten, but never a locked one.
const SOURCES_MAX: usize = 4096;

/// Where attempts come from: the peer's address, or what the listener takes for it. For IPv6 the network, because
/// one household has 2⁶⁴ addresses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source(String);

impl Source {
    /// The source of a request that `listener` took from `address`.
    pub fn new(listener: Listener, address: IpAddr) -> Self {
        let listener = listener.as_str();
        match address.to_canonical() {
            IpAddr::V4(address) => Self(format!("{listener} {address}")),
            IpAddr::V6(address) => {
                let network = Ipv6Addr::from_bits(address.to_bits() >> 64 << 64);
                Self(format!("{listener} {network}/64"))
            }
        }
    }

    pub(super) fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// E.g. `"local 127.0.0.1"`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is known of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Wrong attempts, and those not judged yet, since `first`.
    pub failures: u32,
    /// When the first of them was.
    pub first: SystemTime,
    /// Until when nothing is admitted.
    pub locked_until: SystemTime,
    /// Locks in a row.
    pub locks: u32,
}

/// No attempt is admitted for this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locked(pub Duration);

/// Everybody's failures.
#[derive(Debug, Default)]
pub struct Ledger(HashMap<Source, Record>);

impl Ledger {
    /// A ledger as it was left.
    pub fn restored(records: impl IntoIterator<Item = (Source, Record)>) -> Self {
        Self(records.into_iter().collect())
    }

    /// What is known of `source`.
    pub fn record(&self, source: &Source) -> Option<Record> {
        self.0.get(source).copied()
    }

    /// Admits an attempt and counts it as a failure, the last one with the lock that follows from it.
    ///
    /// # Errors
    /// [`Locked`] with the time that is left.
    pub fn admit(&mut self, source: &Source, now: SystemTime) -> Result<(), Locked> {
        let record = self.0.get(source).copied().unwrap_or(Record {
            failures: 0,
            first: now,
            locked_until: SystemTime::UNIX_EPOCH,
            locks: 0,
        });
        if let Ok(left) = record.locked_until.duration_since(now)
            && left > Duration::ZERO
        {
            return Err(Locked(left));
        }
        let was_locked = record.failures >= FAILURES_MAX;
        let is_old = now.duration_since(record.first).unwrap_or_default() >= WINDOW;
        let is_quiet = now.duration_since(record.locked_until).unwrap_or_default() >= LOCK_MAX;
        let mut record = Record {
            failures: if was_locked || is_old { 0 } else { record.failures },
            first: if was_locked || is_old { now } else { record.first },
            locks: if is_quiet { 0 } else { record.locks },
            ..record
        };
        record.failures += 1;
        if record.failures >= FAILURES_MAX {
            record.locked_until = now + lock(record.locks);
            record.locks += 1;
        }
        self.make_room(now);
        self.0.insert(source.clone(), record);
        Ok(())
    }

    /// One attempt was right: what was wrong before is forgiven.
    pub fn right(&mut self, source: &Source) {
        self.0.remove(source);
    }

    /// One attempt was not judged.
    pub fn undo(&mut self, source: &Source) {
        if let Some(record) = self.0.get_mut(source) {
            if record.failures >= FAILURES_MAX {
                record.locked_until = SystemTime::UNIX_EPOCH;
                record.locks = record.locks.saturating_sub(1);
            }
            record.failures = record.failures.saturating_sub(1);
        }
    }

    fn make_room(&mut self, now: SystemTime) {
        if self.0.len() < SOURCES_MAX {
            return;
        }
        self.0.retain(|_, record| {
            record.locked_until > now || now.duration_since(record.first).unwrap_or_default() < WINDOW
        });
        let unlocked = self.0.iter().filter(|(_, record)| record.locked_until <= now);
        let oldest = unlocked
            .min_by_key(|(_, record)| record.first)
            .map(|(source, _)| source.clone());
        if let Some(oldest) = oldest.filter(|_| self.0.len() >= SOURCES_MAX) {
            self.0.remove(&oldest);
        }
    }
}

fn lock(locks_before: u32) -> Duration {
    LOCK_FIRST
        .checked_mul(2_u32.saturating_pow(locks_before.min(16)))
        .unwrap_or(LOCK_MAX)
        .min(LOCK_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_261_600)
    }

    fn source(text: &str) -> Source {
        Source::new(Listener::Tunnel, text.parse().unwrap())
    }

    #[test]
    fn five_wrong_ones_lock_and_each_lock_is_longer() {
        let mut ledger = Ledger::default();
        let home = source("192.0.2.1");
        let mut now = start();

        let mut locks = Vec::new();
        for _ in 0..9 {
            for _ in 0..FAILURES_MAX {
                ledger.admit(&home, now).unwrap();
            }
            let Locked(left) = ledger.admit(&home, now).unwrap_err();
            locks.push(left.as_secs() / 60);
            assert!(
                ledger
                    .admit(&home, now + left - Duration::from_millis(1))
                    .is_err()
            );
            now += left;
        }

        assert_eq!(locks, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
        assert_eq!(ledger.admit(&source("192.0.2.2"), now), Ok(()));
    }

    #[test]
    fn wrong_ones_far_apart_and_before_a_right_one_do_not_add_up() {
        let mut ledger = Ledger::default();
        let home = source("192.0.2.1");

        for attempt in 0..50 {
            assert_eq!(
                ledger.admit(&home, start() + 16 * MINUTE * attempt),
                Ok(()),
                "{attempt}"
            );
        }
        let now = start() + 1000 * MINUTE;
        for _ in 0..50 {
            assert_eq!(ledger.admit(&home, now), Ok(()));
            assert_eq!(ledger.admit(&home, now), Ok(()));
            ledger.right(&home);
        }
    }

    #[test]
    fn an_attempt_that_was_not_judged_does_not_count() {
        let mut ledger = Ledger::default();
        let home = source("192.0.2.1");

        for _ in 0..50 {
            ledger.admit(&home, start()).unwrap();
            ledger.undo(&home);
        }
        for _ in 0..FAILURES_MAX {
            ledger.admit(&home, start()).unwrap();
        }
        ledger.undo(&home);

        assert_eq!(ledger.admit(&home, start()), Ok(()));
        assert_eq!(ledger.admit(&home, start()), Err(Locked(LOCK_FIRST)));
    }

    #[test]
    fn a_household_is_one_source_and_listeners_are_two() {
        assert_eq!(source("2001:db8:1:2:3::4"), source("2001:db8:1:2:ffff::1"));
        assert_ne!(source("2001:db8:1:2:3::4"), source("2001:db8:1:3:3::4"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(
            Source::new(Listener::Local, "127.0.0.1".parse().unwrap()),
            source("127.0.0.1")
        );
    }

    #[test]
    fn many_sources_do_not_fill_the_memory_nor_free_a_locked_one() {
        let mut ledger = Ledger::default();
        let locked = source("192.0.2.1");
        for _ in 0..FAILURES_MAX {
            ledger.admit(&locked, start()).unwrap();
        }

        for number in 0..20_000_u32 {
            let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number));
            ledger
                .admit(&Source::new(Listener::Tunnel, address), start())
                .unwrap();
        }

        assert!(ledger.0.len() <= SOURCES_MAX);
        assert!(ledger.admit(&locked, start() + MINUTE).is_err());
    }
}
