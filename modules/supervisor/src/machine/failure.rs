//! What follows when the child did not stay.

use std::time::Duration;

use super::{Effect, Machine, Next, Now, State, running::Health};
use crate::{Phase, Policy, Refusal, failures::Verdict};

/// Bounds of the wait for descriptors, memory and the like: what used them up usually lets go soon.
const ROOM_WAIT_MIN: Duration = Duration::from_millis(100);
const ROOM_WAIT_MAX: Duration = Duration::from_secs(1);

/// What can help after a failure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Remedy {
    Time,
    Person(Option<Duration>),
    OtherPort,
    /// The system has no room at this moment.
    Room,
    /// Fewer tries: waits between these bounds.
    Patience {
        first: Duration,
        longest: Duration,
    },
}

impl Machine {
    pub(super) fn exited(
        &mut self,
        cause: String,
        port_lost: bool,
        judged: Option<Refusal>,
        now: Now,
        policy: &Policy,
        chance: f64,
    ) -> Vec<Effect> {
        let (healthy_for, remedy) = match &mut self.state {
            State::Running {
                health: Health::Well { since, .. },
                ..
            } => {
                let healthy_for = now.steady.saturating_duration_since(*since);
                (Some(healthy_for), Remedy::Time)
            }
            State::Running {
                health: Health::Stalled(stall),
                ..
            } => (Some(stall.healthy_for()), Remedy::Time),
            State::Starting { .. } if port_lost => (None, Remedy::OtherPort),
            State::Starting { .. } => (None, Remedy::Time),
            State::Ending { next, has_exited } => {
                *has_exited = true;
                return match next.clone() {
                    // Stopped means that the whole tree has ended.
                    Next::Stop => vec![],
                    Next::Start(_) => self.start_afresh(),
                    Next::Fail {
                        cause,
                        remedy,
                        healthy_for,
                    } => self.failed(cause, remedy, healthy_for, now, policy, chance),
                };
            }
            State::Stopped | State::Preparing | State::Spawning | State::Waiting { .. } => return vec![],
        };
        let (cause, remedy) = match judged {
            Some(refusal) => remedy_of(refusal),
            None => (cause, remedy),
        };
        self.failed(cause, remedy, healthy_for, now, policy, chance)
    }

    pub(super) fn gone(&mut self, now: Now, policy: &Policy, chance: f64) -> Vec<Effect> {
        let State::Ending { next, .. } = &self.state else {
            return vec![];
        };
        match next.clone() {
            Next::Stop => {
                self.state = State::Stopped;
                self.phase = Phase::Stopped;
                vec![]
            }
            Next::Start(_) => self.start_afresh(),
            Next::Fail {
                cause,
                remedy,
                healthy_for,
            } => self.failed(cause, remedy, healthy_for, now, policy, chance),
        }
    }

    pub(super) fn failed(
        &mut self,
        cause: String,
        remedy: Remedy,
        healthy_for: Option<Duration>,
        now: Now,
        policy: &Policy,
        chance: f64,
    ) -> Vec<Effect> {
        match remedy {
            Remedy::Person(recheck) => {
                self.state = State::Waiting {
                    until: recheck.map(|wait| now.steady + wait),
                };
                self.phase = Phase::NeedsAction { cause, recheck };
                return vec![Effect::Forget];
            }
            Remedy::OtherPort if self.ports_lost < policy.port_races_max => {
                self.ports_lost += 1;
                return self.prepare();
            }
            Remedy::Room => {
                let wait = ROOM_WAIT_MIN + (ROOM_WAIT_MAX - ROOM_WAIT_MIN).mul_f64(chance);
                self.is_restart = true;
                self.state = State::Waiting {
                    until: Some(now.steady + wait),
                };
                self.phase = Phase::Backoff {
                    failures: self.failures.streak(),
                    until: now.wall + wait,
                    cause,
                };
                return vec![Effect::Forget];
            }
            Remedy::Patience { first, longest } => {
                self.is_restart = true;
                let wait = self.failures.hold_off(first, longest, chance);
                self.state = State::Waiting {
                    until: Some(now.steady + wait),
                };
                self.phase = Phase::Backoff {
                    failures: self.failures.streak(),
                    until: now.wall + wait,
                    cause,
                };
                return vec![Effect::Forget];
            }
            Remedy::OtherPort | Remedy::Time => {}
        }
        self.is_restart = true;
        match self.failures.count(now.steady, healthy_for, policy, chance) {
            Verdict::AtOnce => return self.prepare(),
            Verdict::After(wait) => {
                self.state = State::Waiting {
                    until: Some(now.steady + wait),
                };
                self.phase = Phase::Backoff {
                    failures: self.failures.streak(),
                    until: now.wall + wait,
                    cause,
                };
            }
            Verdict::GiveUp(wait) => {
                self.state = State::Waiting {
                    until: wait.map(|wait| now.steady + wait),
                };
                self.phase = Phase::Degraded {
                    cause,
                    retry_at: wait.map(|wait| now.wall + wait),
                };
            }
        }
        vec![Effect::Forget]
    }
}

pub(super) fn remedy_of(refusal: Refusal) -> (String, Remedy) {
    match refusal {
        Refusal::Transient(cause) => (cause, Remedy::Time),
        Refusal::Exhausted(cause) => (cause, Remedy::Room),
        Refusal::Throttled {
            cause,
            first,
            longest,
        } => (cause, Remedy::Patience { first, longest }),
        Refusal::Permanent { reason, recheck } => (reason, Remedy::Person(recheck)),
    }
}
