//! What to do next, decided without a clock, a process or a network.

mod failure;
mod requests;
mod running;
mod stall;

use std::time::{Duration, Instant, SystemTime};

use crate::{Grace, Phase, Policy, Probe, Refusal, Request, Vitals, failures::Failures};
use failure::{Remedy, remedy_of};
use running::Health;

const REASON_ASKED: &str = "it was restarted on request";
const REASON_MEMORY: &str = "it held more memory than it may, and was restarted while nobody worked with it";

/// The moment something happened, on both clocks: intervals are measured on the steady one, people see the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) steady: Instant,
    pub(crate) wall: SystemTime,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// Somebody asked for something.
    Asked(Request),
    /// The program answered [`Effect::Prepare`]; on `Ok` it is spawned next.
    Prepared(Result<(), Refusal>),
    /// [`Effect::Spawn`] worked, with this process number.
    Spawned(u32),
    /// [`Effect::Spawn`] did not.
    NotSpawned(Refusal),
    /// The answer to [`Effect::Probe`].
    Probed(Probe),
    /// The answer to [`Effect::Verify`].
    Verified(Result<(), Refusal>),
    /// The answer to [`Effect::Verify`]: somebody else listens on the chosen port.
    PortLost,
    /// The child ended. Its descendants may not have.
    Exited {
        /// One sentence.
        cause: String,
        /// Somebody else listens on the chosen port.
        port_lost: bool,
        /// What its last words mean for the next start, if anything.
        judged: Option<Refusal>,
    },
    /// The whole tree that [`Effect::End`] was about has ended.
    Gone,
    /// The answer to [`Effect::Look`].
    Looked(Vitals),
    /// Time passed without us: the machine slept, or this process was stopped.
    Woke,
    /// The time [`Machine::wake_at`] named has come.
    Tick,
}

/// What the driver has to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Effect {
    /// Ask the program how to start. Replaces whatever it is being asked.
    Prepare,
    /// Start what was prepared.
    Spawn {
        /// Nobody asked for this start but the policy.
        is_restart: bool,
    },
    /// Ask the child whether it works.
    Probe(Duration),
    /// Look at the child before it is trusted.
    Verify,
    /// Look whether anything of the child's tree moves.
    Look,
    /// End the child's tree; said again with less patience when there is reason to.
    End(Grace),
    /// Nothing is asked of the program any more.
    Forget,
}

/// What is done once the child that is being ended has ended.
#[derive(Debug, Clone, PartialEq)]
enum Next {
    Stop,
    /// For this reason.
    Start(&'static str),
    Fail {
        cause: String,
        remedy: Remedy,
        healthy_for: Option<Duration>,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Stopped,
    Preparing,
    Spawning,
    Starting {
        begun: Instant,
        /// `None` while an answer is awaited.
        probe_at: Option<Instant>,
    },
    Running {
        health: Health,
        /// `None` while an answer is awaited.
        probe_at: Option<Instant>,
    },
    Ending {
        next: Next,
        has_exited: bool,
    },
    Waiting {
        until: Option<Instant>,
    },
}

impl Next {
    /// Of a child that was never well.
    fn failed(cause: String, remedy: Remedy) -> Self {
        Self::Fail {
            cause,
            remedy,
            healthy_for: None,
        }
    }
}

/// One child's life. At most one process exists per machine, and every state but those that wait for a person ends by
/// itself.
#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
    phase: Phase,
    failures: Failures,
    pid: u32,
    /// Ports lost since the last start that counted.
    ports_lost: u32,
    is_restart: bool,
    /// Until then nothing is held against the child.
    mercy_until: Option<Instant>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Stopped,
            phase: Phase::Stopped,
            failures: Failures::default(),
            pid: 0,
            ports_lost: 0,
            is_restart: false,
            mercy_until: None,
        }
    }

    pub(crate) fn phase(&self) -> &Phase {
        &self.phase
    }

    /// When [`Event::Tick`] is due.
    pub(crate) fn wake_at(&self, policy: &Policy) -> Option<Instant> {
        match &self.state {
            State::Stopped | State::Preparing | State::Spawning | State::Ending { .. } => None,
            State::Waiting { until } => *until,
            State::Running { health, probe_at } => {
                let is_long = matches!(self.phase, Phase::Unresponsive { is_long: true, .. });
                [*probe_at, health.wake_at(is_long, policy)]
                    .into_iter()
                    .flatten()
                    .min()
            }
            State::Starting { begun, probe_at } => {
                let is_slow = matches!(self.phase, Phase::Starting { is_slow: true });
                let deadline = *begun + policy.start_deadline;
                let slow = (!is_slow).then(|| *begun + policy.slow_start);
                [*probe_at, slow, Some(deadline)].into_iter().flatten().min()
            }
        }
    }

    /// Whether the next start follows at once, should the child end now.
    pub(crate) fn restarts_at_once(&self, now: Instant, policy: &Policy) -> bool {
        match &self.state {
            State::Running {
                health: Health::Well { since, .. },
                ..
            } => now.saturating_duration_since(*since) >= policy.healthy_after,
            State::Running { .. }
            | State::Stopped
            | State::Preparing
            | State::Spawning
            | State::Starting { .. }
            | State::Ending { .. }
            | State::Waiting { .. } => false,
        }
    }

    /// Why a child that is ending is ended, should its end be remembered; `None` for one that is to stop.
    pub(crate) fn end_reason(&self) -> Option<&str> {
        match &self.state {
            State::Ending {
                next: Next::Fail { cause, .. },
                ..
            } => Some(cause),
            State::Ending {
                next: Next::Start(reason),
                ..
            } => Some(reason),
            State::Ending { next: Next::Stop, .. }
            | State::Stopped
            | State::Preparing
            | State::Spawning
            | State::Starting { .. }
            | State::Running { .. }
            | State::Waiting { .. } => None,
        }
    }

    /// Takes note of what happened and says what to do. `chance` from 0 to 1 varies waits.
    pub(crate) fn handle(&mut self, event: Event, now: Now, policy: &Policy, chance: f64) -> Vec<Effect> {
        match event {
            Event::Asked(Request::Start) => self.asked_to_start(),
            Event::Asked(Request::Stop(kind)) => self.asked_to_stop(kind, policy),
            Event::Asked(Request::Restart) => self.asked_to_restart(REASON_ASKED, policy),
            Event::Asked(Request::Recycle) => self.asked_to_restart(REASON_MEMORY, policy),
            Event::Prepared(Ok(())) if self.state == State::Preparing => {
                self.state = State::Spawning;
                self.phase = Phase::Starting { is_slow: false };
                vec![Effect::Spawn {
                    is_restart: self.is_restart,
                }]
            }
            Event::Spawned(pid) if self.state == State::Spawning => {
                self.pid = pid;
                self.state = State::Starting {
                    begun: now.steady,
                    probe_at: Some(now.steady + policy.start_probe_every),
                };
                vec![]
            }
            Event::Prepared(Err(refusal)) | Event::NotSpawned(refusal)
                if matches!(self.state, State::Preparing | State::Spawning) =>
            {
                let (cause, remedy) = remedy_of(refusal);
                self.failed(cause, remedy, None, now, policy, chance)
            }
            Event::Probed(probe) => self.probed(probe, now, policy),
            Event::Verified(Ok(())) if matches!(self.state, State::Starting { .. }) => {
                self.ports_lost = 0;
                self.become_healthy(now, policy);
                vec![]
            }
            Event::Verified(Err(refusal)) if matches!(self.state, State::Starting { .. }) => {
                let (cause, remedy) = remedy_of(refusal);
                self.end(Next::failed(cause, remedy), Grace::NONE)
            }
            Event::PortLost if matches!(self.state, State::Starting { .. }) => {
                let cause = "another program took the chosen port first".to_owned();
                self.end(Next::failed(cause, Remedy::OtherPort), Grace::NONE)
            }
            Event::Exited {
                cause,
                port_lost,
                judged,
            } => self.exited(cause, port_lost, judged, now, policy, chance),
            Event::Gone => self.gone(now, policy, chance),
            Event::Looked(vitals) => self.looked(vitals, now, policy),
            Event::Woke => self.woke(now, policy),
            Event::Tick => self.tick(now, policy),
            // Answers to questions that no longer matter.
            Event::Prepared(_)
            | Event::Spawned(_)
            | Event::NotSpawned(_)
            | Event::Verified(_)
            | Event::PortLost => vec![],
        }
    }

    fn start_afresh(&mut self) -> Vec<Effect> {
        self.failures.forget();
        self.ports_lost = 0;
        self.is_restart = false;
        self.prepare()
    }

    fn prepare(&mut self) -> Vec<Effect> {
        self.state = State::Preparing;
        self.phase = Phase::Starting { is_slow: false };
        vec![Effect::Prepare]
    }

    fn end(&mut self, next: Next, grace: Grace) -> Vec<Effect> {
        self.state = State::Ending {
            next,
            has_exited: false,
        };
        self.phase = Phase::Stopping;
        vec![Effect::End(grace)]
    }

    fn probed(&mut self, probe: Probe, now: Now, policy: &Policy) -> Vec<Effect> {
        match (&mut self.state, probe) {
            (State::Starting { probe_at: None, .. }, Probe::Good) => vec![Effect::Verify],
            (State::Starting { probe_at, .. }, Probe::Bad) => {
                *probe_at = Some(now.steady + policy.start_probe_every);
                vec![]
            }
            (State::Running { .. }, probe) => self.probed_running(probe, now, policy),
            (
                State::Stopped
                | State::Preparing
                | State::Spawning
                | State::Starting { .. }
                | State::Ending { .. }
                | State::Waiting { .. },
                _,
            ) => vec![],
        }
    }

    fn tick(&mut self, now: Now, policy: &Policy) -> Vec<Effect> {
        match &mut self.state {
            State::Waiting { until } if until.is_some_and(|until| now.steady >= until) => {
                // A cause that needs a person stays on display until it is known to have gone.
                let shown = self.phase.clone();
                let effects = self.prepare();
                if matches!(shown, Phase::NeedsAction { .. }) {
                    self.phase = shown;
                }
                effects
            }
            State::Starting { begun, .. } if now.steady >= *begun + policy.start_deadline => {
                let cause = format!("it was not ready within {} s", policy.start_deadline.as_secs());
                self.end(Next::failed(cause, Remedy::Time), Grace::NONE)
            }
            State::Starting { begun, probe_at } => {
                if now.steady >= *begun + policy.slow_start {
                    self.phase = Phase::Starting { is_slow: true };
                }
                probe_when_due(probe_at, now, policy.start_probe_timeout)
            }
            State::Running { .. } => self.tick_running(now, policy),
            State::Stopped
            | State::Preparing
            | State::Spawning
            | State::Ending { .. }
            | State::Waiting { .. } => vec![],
        }
    }
}

fn probe_when_due(probe_at: &mut Option<Instant>, now: Now, timeout: Duration) -> Vec<Effect> {
    if probe_at.is_some_and(|due| now.steady >= due) {
        *probe_at = None;
        vec![Effect::Probe(timeout)]
    } else {
        vec![]
    }
}

#[cfg(test)]
mod tests;
