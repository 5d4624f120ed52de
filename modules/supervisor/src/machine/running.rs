//! A child that was proven once: answering, not answering, asleep.

use std::time::Instant;

use super::{
    Effect, Machine, Next, Now, State,
    failure::Remedy,
    probe_when_due,
    stall::{Stall, Verdict},
};
use crate::{Grace, Phase, Policy, Probe, Vitals};

/// How a running child answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Health {
    /// It answers.
    Well {
        /// Of the present stretch.
        since: Instant,
        /// Probes missed since the last good one.
        misses: u32,
    },
    /// It does not.
    Stalled(Stall),
}

impl Health {
    /// When a running child is to be looked at beside its probes.
    pub(super) fn wake_at(&self, is_long: bool, policy: &Policy) -> Option<Instant> {
        match self {
            Self::Well { .. } => None,
            Self::Stalled(stall) if is_long => Some(stall.look_at()),
            Self::Stalled(stall) => Some(stall.look_at().min(stall.is_long_at(policy))),
        }
    }
}

impl Machine {
    pub(super) fn become_healthy(&mut self, now: Now, policy: &Policy) {
        self.failures.welcomed();
        self.state = State::Running {
            health: Health::Well {
                since: now.steady,
                misses: 0,
            },
            probe_at: Some(now.steady + policy.probe_every),
        };
        self.phase = Phase::Healthy { pid: self.pid };
    }

    pub(super) fn probed_running(&mut self, probe: Probe, now: Now, policy: &Policy) -> Vec<Effect> {
        let is_spared = self.mercy_until.is_some_and(|until| now.steady < until);
        let pid = self.pid;
        let State::Running { health, probe_at } = &mut self.state else {
            return vec![];
        };
        *probe_at = Some(now.steady + policy.probe_every);
        match (health, probe) {
            (Health::Well { misses, .. }, Probe::Good) => {
                *misses = 0;
                vec![]
            }
            (health @ Health::Stalled(_), Probe::Good) => {
                *health = Health::Well {
                    since: now.steady,
                    misses: 0,
                };
                self.phase = Phase::Healthy { pid };
                vec![]
            }
            (_, Probe::Bad) if is_spared => vec![],
            (health @ Health::Well { .. }, Probe::Bad) => {
                let Health::Well { since, misses } = health else {
                    return vec![];
                };
                *misses = misses.saturating_add(1);
                if *misses < policy.misses_max {
                    return vec![];
                }
                let healthy_for = now.steady.saturating_duration_since(*since);
                *health = Health::Stalled(Stall::new(now.steady, healthy_for));
                self.phase = Phase::Unresponsive { pid, is_long: false };
                vec![Effect::Look]
            }
            (Health::Stalled(_), Probe::Bad) => vec![],
        }
    }

    pub(super) fn looked(&mut self, vitals: Vitals, now: Now, policy: &Policy) -> Vec<Effect> {
        let is_spared = self.mercy_until.is_some_and(|until| now.steady < until);
        let State::Running {
            health: Health::Stalled(stall),
            ..
        } = &mut self.state
        else {
            return vec![];
        };
        match stall.looked(vitals, now.steady, policy) {
            Verdict::Hung(cause) if !is_spared => {
                let next = Next::Fail {
                    cause,
                    remedy: Remedy::Time,
                    healthy_for: Some(stall.healthy_for()),
                };
                // It hears nothing, so nothing is gained by asking.
                self.end(next, Grace::NONE)
            }
            Verdict::Hung(_) | Verdict::Leave => vec![],
        }
    }

    pub(super) fn tick_running(&mut self, now: Now, policy: &Policy) -> Vec<Effect> {
        let State::Running { health, probe_at } = &mut self.state else {
            return vec![];
        };
        let mut effects = probe_when_due(probe_at, now, policy.probe_timeout);
        if let Health::Stalled(stall) = health {
            if now.steady >= stall.is_long_at(policy) {
                self.phase = Phase::Unresponsive {
                    pid: self.pid,
                    is_long: true,
                };
            }
            if now.steady >= stall.look_at() {
                effects.push(Effect::Look);
            }
        }
        effects
    }

    /// Time passed that nobody could answer in.
    pub(super) fn woke(&mut self, now: Now, policy: &Policy) -> Vec<Effect> {
        self.mercy_until = Some(now.steady + policy.mercy);
        match &mut self.state {
            State::Running { health, probe_at } => {
                match health {
                    Health::Well { misses, .. } => *misses = 0,
                    Health::Stalled(stall) => stall.forget(now.steady),
                }
                if let Some(due) = probe_at {
                    *due = now.steady;
                }
            }
            State::Starting { begun, .. } => *begun = now.steady,
            State::Stopped
            | State::Preparing
            | State::Spawning
            | State::Ending { .. }
            | State::Waiting { .. } => {}
        }
        vec![]
    }
}
