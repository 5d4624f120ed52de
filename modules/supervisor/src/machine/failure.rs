//! What follows when the child did not stay.

use std::time::Duration;

use super::{Effect, Machine, Now, State};
use crate::{Phase, Policy, Refusal, failures::Verdict};

/// What can help after a failure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Remedy {
    Time,
    Person(Option<Duration>),
    OtherPort,
}

impl Machine {
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
        Refusal::Permanent { reason, recheck } => (reason, Remedy::Person(recheck)),
    }
}
