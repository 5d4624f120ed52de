//! When to try again.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use crate::Policy;

/// The failures of one child that still matter.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// When, oldest first, within the policy's window.
    recent: VecDeque<Instant>,
    /// In a row, without a healthy stretch in between.
    streak: u32,
    /// A crash loop was found; ends with a healthy stretch.
    gave_up: bool,
    /// How often since the child worked last a service was the reason, by the first wait it calls for: one that cannot be
    /// reached for an hour is no reason to wait for half of one when it then asks for fewer tries.
    held_off: BTreeMap<Duration, u32>,
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    /// Try again without delay.
    AtOnce,
    /// Try again after a while.
    After(Duration),
    /// A crash loop, or restarting is off: try again much later, if at all.
    GiveUp(Option<Duration>),
}

impl Failures {
    /// Counts a failure at `now`. `healthy_for`: how long the child had been continuously healthy, if it ever was.
    /// `chance`, from 0 to 1, places the wait within its bounds, so that several programs do not return in step.
    pub(crate) fn count(
        &mut self,
        now: Instant,
        healthy_for: Option<Duration>,
        policy: &Policy,
        chance: f64,
    ) -> Verdict {
        let healthy_for = healthy_for.unwrap_or_default();
        let was_fine = healthy_for >= policy.healthy_after;
        if was_fine {
            self.streak = 0;
            self.gave_up = false;
        }
        if healthy_for >= policy.forgiven_after {
            self.recent.clear();
        }
        while self
            .recent
            .front()
            .is_some_and(|&then| now.saturating_duration_since(then) >= policy.window)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.streak = self.streak.saturating_add(1);
        let count = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);

        if !policy.enabled {
            return Verdict::GiveUp(None);
        }
        if self.gave_up || count >= policy.max_failures {
            self.gave_up = true;
            return Verdict::GiveUp(Some(policy.slow_retry.mul_f64(0.9 + 0.2 * chance)));
        }
        if was_fine {
            return Verdict::AtOnce;
        }
        let doublings = (self.streak - 1).min(31);
        let longest = policy
            .initial_delay
            .saturating_mul(1 << doublings)
            .min(policy.max_delay);
        if longest.is_zero() {
            Verdict::AtOnce
        } else {
            Verdict::After(longest.mul_f64(0.5 + 0.5 * chance))
        }
    }

    /// Counts an end for which a service that wants fewer tries is the reason, and gives the wait: `first`, doubling up
    /// to `longest`, and up to a tenth more by `chance`, so that nobody comes back early or in step.
    pub(crate) fn hold_off(&mut self, first: Duration, longest: Duration, chance: f64) -> Duration {
        let before = self.held_off.entry(first).or_default();
        let doublings = (*before).min(31);
        *before = before.saturating_add(1);
        let wait = first.saturating_mul(1 << doublings).min(longest);
        wait.mul_f64(1.0 + 0.1 * chance)
    }

    /// The child works: whoever held it off no longer does.
    pub(crate) fn welcomed(&mut self) {
        self.held_off.clear();
    }

    /// In a row, the last one included.
    pub(crate) fn streak(&self) -> u32 {
        self.streak
    }

    /// A person asked for a start: the child gets all its tries again.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests;
