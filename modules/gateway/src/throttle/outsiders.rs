//! The rules for everybody who comes through the tunnel together, as a function of attempts and time.
//!
//! Whoever has many addresses is many sources, so wrong passwords are also counted across all of them. Nothing here
//! concerns the local listener: strangers never lock out the person at the machine.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

/// Wrong passwords within [`WINDOW`] before everybody has to wait for their turn.
pub const FREE_MAX: usize = 30;

/// See [`FREE_MAX`].
const WINDOW: Duration = Duration::from_secs(3600);

/// From then on one attempt is admitted in so long.
const TURN: Duration = Duration::from_secs(10);

/// Wrong passwords in a row, over any time, before nobody may try any more: as many as NIST SP 800-63B-4 allows.
pub const IN_A_ROW_MAX: u32 = 100;

/// What is remembered of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outsiders {
    /// When attempts were wrong, or not judged yet, oldest first; those that matter.
    wrong: VecDeque<SystemTime>,
    in_a_row: u32,
}

/// Why an attempt from outside is not admitted, whoever makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    /// Others tried too often: again after this.
    Wait(Duration),
    /// Until the owner allows it again at the machine.
    Off,
}

impl Outsiders {
    /// As they were left.
    pub fn restored(wrong: impl IntoIterator<Item = SystemTime>, in_a_row: u32) -> Self {
        Self {
            wrong: wrong.into_iter().take(FREE_MAX).collect(),
            in_a_row,
        }
    }

    /// When attempts were wrong lately, and how many were in a row.
    pub fn kept(&self) -> (impl Iterator<Item = SystemTime>, u32) {
        (self.wrong.iter().copied(), self.in_a_row)
    }

    /// Whether nobody may try any more.
    pub fn is_off(&self) -> bool {
        self.in_a_row >= IN_A_ROW_MAX
    }

    /// Admits an attempt and counts it as wrong until it is known to be right.
    ///
    /// # Errors
    /// [`Barred`].
    pub fn admit(&mut self, now: SystemTime) -> Result<(), Barred> {
        if self.is_off() {
            return Err(Barred::Off);
        }
        let is_old = |then: &SystemTime| now.duration_since(*then).is_ok_and(|age| age >= WINDOW);
        while self.wrong.front().is_some_and(is_old) {
            self.wrong.pop_front();
        }
        if self.wrong.len() >= FREE_MAX
            && let Some(last) = self.wrong.back()
        {
            let since = now.duration_since(*last).unwrap_or_default();
            if since < TURN {
                return Err(Barred::Wait(TURN - since));
            }
            self.wrong.pop_front();
        }
        self.wrong.push_back(now);
        self.in_a_row += 1;
        Ok(())
    }

    /// One was right: the row is broken. Others' failures of the last hour stay.
    pub fn right(&mut self) {
        self.in_a_row = 0;
        self.wrong.pop_back();
    }

    /// One was not judged.
    pub fn undo(&mut self) {
        self.in_a_row = self.in_a_row.saturating_sub(1);
        self.wrong.pop_back();
    }

    /// The owner allows it again.
    pub fn reopen(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_261_600)
    }

    #[test]
    fn thirty_are_free_then_one_in_ten_seconds_and_after_a_hundred_none() {
        let mut outsiders = Outsiders::default();
        let mut now = start();
        for attempt in 0..30 {
            assert_eq!(outsiders.admit(now), Ok(()), "{attempt}");
        }
        assert_eq!(outsiders.admit(now), Err(Barred::Wait(TURN)));

        for attempt in 30..100 {
            now += Duration::from_secs(9);
            assert_eq!(
                outsiders.admit(now),
                Err(Barred::Wait(Duration::from_secs(1))),
                "{attempt}"
            );
            now += Duration::from_secs(1);
            assert_eq!(outsiders.admit(now), Ok(()), "{attempt}");
        }

        now += Duration::from_secs(30 * 24 * 3600);
        assert_eq!(outsiders.admit(now), Err(Barred::Off));
        let (wrong, in_a_row) = outsiders.kept();
        let mut restored = Outsiders::restored(wrong, in_a_row);
        assert_eq!(restored.admit(now), Err(Barred::Off));
        restored.reopen();
        assert_eq!(restored.admit(now), Ok(()));
    }

    #[test]
    fn an_hour_later_and_after_a_right_one_nobody_waits() {
        let mut outsiders = Outsiders::default();
        for _ in 0..30 {
            outsiders.admit(start()).unwrap();
        }
        assert_eq!(outsiders.admit(start() + WINDOW), Ok(()));

        let mut outsiders = Outsiders::default();
        for _ in 0..99 {
            outsiders.admit(start()).ok();
            outsiders.undo();
        }
        assert!(!outsiders.is_off());
        outsiders.admit(start()).unwrap();
        outsiders.right();
        assert_eq!(outsiders.kept().1, 0);
    }

    proptest::proptest! {
        #[test]
        fn no_schedule_gets_more_than_its_share(gaps in proptest::collection::vec(0_u64..7200, 1..400)) {
            let mut outsiders = Outsiders::default();
            let mut now = start();
            let mut admitted: Vec<SystemTime> = Vec::new();
            for gap in gaps {
                now += Duration::from_secs(gap);
                if outsiders.admit(now).is_ok() {
                    admitted.push(now);
                }
            }
            proptest::prop_assert!(admitted.len() <= IN_A_ROW_MAX as usize);
            for (count, at) in admitted.iter().enumerate() {
                let within = admitted[..count]
                    .iter()
                    .filter(|then| at.duration_since(**then).unwrap() < WINDOW)
                    .count();
                if within >= FREE_MAX {
                    let last = admitted[count - 1];
                    proptest::prop_assert!(at.duration_since(last).unwrap() >= TURN);
                }
            }
        }
    }
}
