//! What to do next, decided without a clock, a process or a network.

mod failure;
mod requests;

use std::time::{Duration, Instant, SystemTime};

use crate::{Grace, Phase, Policy, Probe, Refusal, Request, failures::Failures};
use failure::{Remedy, remedy_of};

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
    },
    /// The whole tree that [`Effect::End`] was about has ended.
    Gone,
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
    /// End the child's tree; said again with less patience when there is reason to.
    End(Grace),
    /// Nothing is asked of the program any more.
    Forget,
}

/// What is done once the child that is being ended has ended.
#[derive(Debug, Clone, PartialEq)]
enum Next {
    Stop,
    Start,
    Fail { cause: String, remedy: Remedy },
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
        /// Of the present stretch; `None` while unresponsive.
        healthy_since: Option<Instant>,
        misses: u32,
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
            State::Running { probe_at, .. } => *probe_at,
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
            State::Running { healthy_since, .. } => healthy_since
                .is_some_and(|since| now.saturating_duration_since(since) >= policy.healthy_after),
            State::Stopped
            | State::Preparing
            | State::Spawning
            | State::Starting { .. }
            | State::Ending { .. }
            | State::Waiting { .. } => false,
        }
    }

    /// Takes note of what happened and says what to do. `chance` from 0 to 1 varies waits.
    pub(crate) fn handle(&mut self, event: Event, now: Now, policy: &Policy, chance: f64) -> Vec<Effect> {
        match event {
            Event::Asked(Request::Start) => self.asked_to_start(),
            Event::Asked(Request::Stop(kind)) => self.asked_to_stop(kind, policy),
            Event::Asked(Request::Restart) => self.asked_to_restart(policy),
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
                self.end(Next::Fail { cause, remedy }, Grace::NONE)
            }
            Event::PortLost if matches!(self.state, State::Starting { .. }) => {
                let cause = "another program took the chosen port first".to_owned();
                let remedy = Remedy::OtherPort;
                self.end(Next::Fail { cause, remedy }, Grace::NONE)
            }
            Event::Exited { cause, port_lost } => self.exited(cause, port_lost, now, policy, chance),
            Event::Gone => self.gone(now, policy, chance),
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

    fn become_healthy(&mut self, now: Now, policy: &Policy) {
        self.state = State::Running {
            healthy_since: Some(now.steady),
            misses: 0,
            probe_at: Some(now.steady + policy.probe_every),
        };
        self.phase = Phase::Healthy { pid: self.pid };
    }

    fn probed(&mut self, probe: Probe, now: Now, policy: &Policy) -> Vec<Effect> {
        match (&mut self.state, probe) {
            (State::Starting { probe_at: None, .. }, Probe::Good) => vec![Effect::Verify],
            (State::Starting { probe_at, .. }, Probe::Bad) => {
                *probe_at = Some(now.steady + policy.start_probe_every);
                vec![]
            }
            (
                State::Running {
                    healthy_since,
                    misses,
                    probe_at,
                },
                probe,
            ) => {
                *probe_at = Some(now.steady + policy.probe_every);
                match probe {
                    Probe::Good => {
                        *misses = 0;
                        healthy_since.get_or_insert(now.steady);
                        self.phase = Phase::Healthy { pid: self.pid };
                    }
                    Probe::Bad => {
                        *misses = misses.saturating_add(1);
                        if *misses >= policy.misses_max {
                            *healthy_since = None;
                            self.phase = Phase::Unresponsive { pid: self.pid };
                        }
                    }
                }
                vec![]
            }
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

    fn exited(
        &mut self,
        cause: String,
        port_lost: bool,
        now: Now,
        policy: &Policy,
        chance: f64,
    ) -> Vec<Effect> {
        let (healthy_for, remedy) = match &mut self.state {
            State::Running { healthy_since, .. } => {
                let healthy_for = healthy_since.map(|since| now.steady.saturating_duration_since(since));
                (healthy_for, Remedy::Time)
            }
            State::Starting { .. } if port_lost => (None, Remedy::OtherPort),
            State::Starting { .. } => (None, Remedy::Time),
            State::Ending { next, has_exited } => {
                *has_exited = true;
                return match next.clone() {
                    // Stopped means that the whole tree has ended.
                    Next::Stop => vec![],
                    Next::Start => self.start_afresh(),
                    Next::Fail { cause, remedy } => self.failed(cause, remedy, None, now, policy, chance),
                };
            }
            State::Stopped | State::Preparing | State::Spawning | State::Waiting { .. } => return vec![],
        };
        self.failed(cause, remedy, healthy_for, now, policy, chance)
    }

    fn gone(&mut self, now: Now, policy: &Policy, chance: f64) -> Vec<Effect> {
        let State::Ending { next, .. } = &self.state else {
            return vec![];
        };
        match next.clone() {
            Next::Stop => {
                self.state = State::Stopped;
                self.phase = Phase::Stopped;
                vec![]
            }
            Next::Start => self.start_afresh(),
            Next::Fail { cause, remedy } => self.failed(cause, remedy, None, now, policy, chance),
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
                let remedy = Remedy::Time;
                self.end(Next::Fail { cause, remedy }, Grace::NONE)
            }
            State::Starting { begun, probe_at } => {
                if now.steady >= *begun + policy.slow_start {
                    self.phase = Phase::Starting { is_slow: true };
                }
                probe_when_due(probe_at, now, policy.start_probe_timeout)
            }
            State::Running { probe_at, .. } => probe_when_due(probe_at, now, policy.probe_timeout),
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
