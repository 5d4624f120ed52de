//! What somebody asks for.

use super::{Effect, Machine, Next, REASON_ASKED, State};
use crate::{Grace, Phase, Policy, StopKind};

impl Machine {
    pub(super) fn asked_to_start(&mut self) -> Vec<Effect> {
        match &mut self.state {
            State::Preparing | State::Spawning | State::Starting { .. } | State::Running { .. } => vec![],
            State::Ending {
                next,
                has_exited: false,
            } => {
                *next = Next::Start(REASON_ASKED);
                vec![]
            }
            State::Stopped | State::Waiting { .. } | State::Ending { has_exited: true, .. } => {
                self.start_afresh()
            }
        }
    }

    pub(super) fn asked_to_restart(&mut self, reason: &'static str, policy: &Policy) -> Vec<Effect> {
        match &self.state {
            State::Starting { .. } | State::Running { .. } => {
                self.failures.forget();
                self.end(Next::Start(reason), policy.stop)
            }
            State::Stopped
            | State::Preparing
            | State::Spawning
            | State::Ending { .. }
            | State::Waiting { .. } => self.asked_to_start(),
        }
    }

    pub(super) fn asked_to_stop(&mut self, kind: StopKind, policy: &Policy) -> Vec<Effect> {
        let grace = match kind {
            StopKind::User => policy.stop,
            StopKind::Quit => policy.quit,
            StopKind::Now => Grace::NONE,
        };
        match &mut self.state {
            State::Stopped => vec![],
            State::Preparing | State::Spawning | State::Waiting { .. } => {
                self.state = State::Stopped;
                self.phase = Phase::Stopped;
                vec![Effect::Forget]
            }
            State::Starting { .. } | State::Running { .. } => self.end(Next::Stop, grace),
            State::Ending { next, .. } => {
                *next = Next::Stop;
                vec![Effect::End(grace)]
            }
        }
    }
}
