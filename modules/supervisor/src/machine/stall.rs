//! Whether a child that does not answer is busy or hung.
//!
//! A server that compiles on every core misses its probes and must not lose its work for it; one that sleeps for ever
//! must not be kept. What tells them apart is whether anything of the tree moves.

use std::time::{Duration, Instant};

use crate::{Policy, Vitals};

/// A child that stopped answering.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stall {
    since: Instant,
    /// How long it had been well before.
    healthy_for: Duration,
    seen: Option<Vitals>,
    moved_at: Instant,
    look_at: Instant,
}

/// What follows from a look at it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// It may be busy.
    Leave,
    /// It has to be replaced; why.
    Hung(String),
}

impl Stall {
    pub(super) fn new(now: Instant, healthy_for: Duration) -> Self {
        Self {
            since: now,
            healthy_for,
            seen: None,
            moved_at: now,
            look_at: now,
        }
    }

    pub(super) fn healthy_for(&self) -> Duration {
        self.healthy_for
    }

    /// When [`Stall::looked`] wants to be told.
    pub(super) fn look_at(&self) -> Instant {
        self.look_at
    }

    /// When a person should be offered a restart.
    pub(super) fn is_long_at(&self, policy: &Policy) -> Instant {
        self.since + policy.long_stall
    }

    /// The machine slept, or nobody looked for a while: all of it counts anew.
    pub(super) fn forget(&mut self, now: Instant) {
        *self = Self::new(now, self.healthy_for);
    }

    /// Takes what was seen of the child.
    pub(super) fn looked(&mut self, vitals: Vitals, now: Instant, policy: &Policy) -> Verdict {
        if self.seen.is_none_or(|before| vitals.moved_since(before)) {
            self.moved_at = now;
        }
        self.seen = Some(vitals);
        let silent = now.saturating_duration_since(self.since);
        let still = now.saturating_duration_since(self.moved_at);
        self.look_at = self.next_look(now, policy);
        if silent >= policy.hung_at_last {
            return Verdict::Hung(format!("it has not answered for {}", minutes(silent)));
        }
        if silent < policy.hung_after {
            return Verdict::Leave;
        }
        if vitals.is_stopped {
            return Verdict::Hung("it was stopped by a signal and does not answer".to_owned());
        }
        if still >= policy.still_for {
            return Verdict::Hung(format!(
                "it has not answered for {} and does nothing",
                minutes(silent)
            ));
        }
        Verdict::Leave
    }

    /// As often as it is probed, and at the first moment a verdict is possible.
    fn next_look(&self, now: Instant, policy: &Policy) -> Instant {
        let regular = now + policy.probe_every;
        let verdict = self.since + policy.hung_after;
        if verdict > now {
            regular.min(verdict)
        } else {
            regular
        }
    }
}

fn minutes(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}
