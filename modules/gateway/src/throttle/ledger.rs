//! The rules of the throttle, as a function of attempts and time.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
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

/// Sources remembered. Beyond it the one whose failures are oldest is forgotten; a locked one only when all are locked,
/// and then the one whose lock ends first.
pub(super) const SOURCES_MAX: usize = 4096;

/// Where attempts come from: the peer's address, or what the listener takes for it. For IPv6 the network, because
/// one household has 2⁶⁴ addresses. At the local listener everybody is one source: whoever is on this machine can take
/// any of its 2²⁴ loopback addresses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source(String);

impl Source {
    /// The source of a request that `listener` took from `address`.
    pub fn new(listener: Listener, address: IpAddr) -> Self {
        let address = match (listener, address.to_canonical()) {
            (Listener::Local, address) if address.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            (Listener::Local | Listener::Tunnel, address) => address,
        };
        let listener = listener.as_str();
        match address {
            IpAddr::V4(address) => Self(format!("{listener} {address}")),
            IpAddr::V6(address) => {
                let network = Ipv6Addr::from_bits(address.to_bits() >> 64 << 64);
                Self(format!("{listener} {network}/64"))
            }
        }
    }

    /// What it is a part of: whoever has one address has most likely many more there.
    pub(crate) fn network(&self) -> Self {
        let (listener, address) = self.0.split_once(' ').unwrap_or_default();
        let wide = match address.trim_end_matches("/64").parse() {
            Ok(IpAddr::V4(address)) => format!("{}/24", Ipv4Addr::from_bits(address.to_bits() >> 8 << 8)),
            Ok(IpAddr::V6(address)) => format!("{}/48", Ipv6Addr::from_bits(address.to_bits() >> 80 << 80)),
            Err(_) => address.to_owned(),
        };
        Self(format!("{listener} {wide}"))
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
pub struct Ledger {
    records: HashMap<Source, Record>,
    /// Taken out to make room, and not yet out of the database.
    forgotten: Vec<Source>,
}

impl Ledger {
    /// A ledger as it was left.
    pub fn restored(records: impl IntoIterator<Item = (Source, Record)>) -> Self {
        Self {
            records: records.into_iter().collect(),
            forgotten: Vec::new(),
        }
    }

    /// The sources that had to make room since the last call.
    pub fn take_forgotten(&mut self) -> Vec<Source> {
        std::mem::take(&mut self.forgotten)
    }

    /// What is known of `source`.
    pub fn record(&self, source: &Source) -> Option<Record> {
        self.records.get(source).copied()
    }

    /// Admits an attempt and counts it as a failure, the last one with the lock that follows from it.
    ///
    /// # Errors
    /// [`Locked`] with the time that is left.
    pub fn admit(&mut self, source: &Source, now: SystemTime) -> Result<(), Locked> {
        let record = self.records.get(source).copied().unwrap_or(Record {
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
        if !self.records.contains_key(source) {
            self.make_room(now);
        }
        self.records.insert(source.clone(), record);
        Ok(())
    }

    /// One attempt was right: what was wrong before is forgiven.
    pub fn right(&mut self, source: &Source) {
        self.records.remove(source);
    }

    /// The owner, at the machine, forgives everybody.
    pub fn forgive(&mut self) {
        self.forgotten
            .extend(self.records.drain().map(|(source, _)| source));
    }

    /// One attempt was not judged.
    pub fn undo(&mut self, source: &Source) {
        if let Some(record) = self.records.get_mut(source) {
            if record.failures >= FAILURES_MAX {
                record.locked_until = SystemTime::UNIX_EPOCH;
                record.locks = record.locks.saturating_sub(1);
            }
            record.failures = record.failures.saturating_sub(1);
        }
    }

    /// Makes room for one more.
    fn make_room(&mut self, now: SystemTime) {
        let surplus = (self.records.len() + 1).saturating_sub(SOURCES_MAX);
        if surplus == 0 {
            return;
        }
        let rank = |record: &Record| match record.locked_until > now {
            true => (true, record.locked_until),
            false => (false, record.first),
        };
        let mut ranked: Vec<_> = self
            .records
            .iter()
            .map(|(source, record)| (rank(record), source))
            .collect();
        ranked.select_nth_unstable_by_key(surplus - 1, |(rank, _)| *rank);
        let gone: Vec<Source> = ranked[..surplus]
            .iter()
            .map(|(_, source)| (*source).clone())
            .collect();
        for source in gone {
            self.records.remove(&source);
            self.forgotten.push(source);
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
    fn neighbours_share_a_network() {
        let network = |address: &str| Source::new(Listener::Tunnel, address.parse().unwrap()).network();

        assert_eq!(network("198.51.100.7"), network("198.51.100.250"));
        assert_ne!(network("198.51.100.7"), network("198.51.101.7"));
        assert_eq!(network("2001:db8:7:1::1"), network("2001:db8:7:ffff::9"));
        assert_ne!(network("2001:db8:7:1::1"), network("2001:db8:8:1::1"));
    }

    #[test]
    fn whoever_is_on_this_machine_is_one_source() {
        let local = |text: &str| Source::new(Listener::Local, text.parse().unwrap());

        for address in ["127.0.0.2", "127.255.255.254", "::1", "::ffff:127.1.2.3"] {
            assert_eq!(local(address), local("127.0.0.1"), "{address}");
        }
        assert_eq!(local("127.0.0.1").as_str(), "local 127.0.0.1");
        assert_ne!(source("127.0.0.2"), source("127.0.0.1"));
    }

    #[test]
    fn of_locked_sources_too_many_make_room_in_the_order_their_locks_end() {
        let mut ledger = Ledger::default();
        let numbered = |number: u32| {
            let address = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number));
            Source::new(Listener::Tunnel, address)
        };
        let at = |number: u32| start() + Duration::from_millis(number.into());
        let count = u32::try_from(SOURCES_MAX).unwrap() + 100;

        for number in 0..count {
            for _ in 0..FAILURES_MAX {
                ledger.admit(&numbered(number), at(number)).unwrap();
            }
        }

        assert_eq!(ledger.records.len(), SOURCES_MAX);
        assert_eq!(
            ledger.take_forgotten(),
            (0..100).map(numbered).collect::<Vec<_>>()
        );
        assert_eq!(ledger.take_forgotten(), []);
        assert!(ledger.admit(&numbered(100), at(count)).is_err());
        assert!(ledger.admit(&numbered(count - 1), at(count)).is_err());
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

        assert_eq!(ledger.records.len(), SOURCES_MAX);
        assert!(ledger.admit(&locked, start() + MINUTE).is_err());
    }
}
