//! The figures a child is kept alive by.

use std::time::Duration;

/// How patient, how eager and how strict the supervisor is. A plain value: the owner of the child makes it from its
/// settings and may replace it at any time; the next decision uses the new one.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Whether a child that ended by itself is started again at all.
    pub enabled: bool,
    /// Delay before the first restart of a child that was not healthy for long; doubles with every further failure.
    pub initial_delay: Duration,
    /// The doubling ends here.
    pub max_delay: Duration,
    /// So many failures within `window` are a crash loop.
    pub max_failures: u32,
    /// How far back failures count.
    pub window: Duration,
    /// Healthy for so long: the next failure is restarted at once, and the doubling begins anew.
    pub healthy_after: Duration,
    /// Healthy for so long: earlier failures no longer count towards a crash loop.
    pub forgiven_after: Duration,
    /// Pause between attempts once a crash loop was found; varied by ±10 %.
    pub slow_retry: Duration,
    /// From here on a start is called slow.
    pub slow_start: Duration,
    /// A start that takes longer has failed.
    pub start_deadline: Duration,
    /// Pause between two probes of a starting child.
    pub start_probe_every: Duration,
    /// Longest wait for one probe of a starting child. Short, because opencode leaves a request unanswered for good
    /// when it arrives just before the server is ready.
    pub start_probe_timeout: Duration,
    /// Pause between two probes of a healthy child.
    pub probe_every: Duration,
    /// Longest wait for one probe of a healthy child.
    pub probe_timeout: Duration,
    /// So many probes missed in a row: the child is called unresponsive.
    pub misses_max: u32,
    /// Unresponsive for so long and without a sign of life: the child is hung and replaced.
    pub hung_after: Duration,
    /// Nothing of its tree moved for so long: no sign of life.
    pub still_for: Duration,
    /// Unresponsive for so long a person is offered a restart.
    pub long_stall: Duration,
    /// Unresponsive for so long the child is replaced however busy it seems.
    pub hung_at_last: Duration,
    /// After the machine slept, nothing is held against a child for so long.
    pub mercy: Duration,
    /// How often a healthy child's whole tree is looked at. It costs a file or two per thread and process, and only
    /// the figure for its memory and descendants that cleared their environment *and* lost their parent depend on it.
    pub look_around_every: Duration,
    /// How often a port lost to somebody else is chosen anew before that counts as a failure.
    pub port_races_max: u32,
    /// How a stop asked for by a person runs.
    pub stop: Grace,
    /// How the stop at quit, logout or update runs.
    pub quit: Grace,
}

/// The steps of ending a child, each counted from the beginning of the stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// Longest wait for the child to wind down by itself; then the whole tree gets SIGTERM.
    pub wind_down: Duration,
    /// SIGTERM again: opencode swallows the first one while it installs packages.
    pub term_again: Duration,
    /// SIGKILL.
    pub kill: Duration,
    /// No longer waited for.
    pub give_up: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            enabled: true,
            // 1 s doubling to a minute: what Kubernetes settled on for crashing containers (KEP-4603).
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            // Intensity 5 in 10 min is OTP's advice for the top of a tree.
            max_failures: 5,
            window: Duration::from_secs(600),
            healthy_after: Duration::from_secs(60),
            forgiven_after: Duration::from_secs(600),
            slow_retry: Duration::from_secs(300),
            // opencode: 4.5 s cold, 11–17 s on a contended machine, more with plugins to install.
            slow_start: Duration::from_secs(15),
            start_deadline: Duration::from_secs(120),
            start_probe_every: Duration::from_millis(250),
            start_probe_timeout: Duration::from_millis(500),
            probe_every: Duration::from_secs(10),
            probe_timeout: Duration::from_secs(5),
            misses_max: 3,
            // Others restarted busy servers after a few missed probes and lost work; one of them now waits 5 min.
            hung_after: Duration::from_secs(60),
            still_for: Duration::from_secs(30),
            long_stall: Duration::from_secs(300),
            hung_at_last: Duration::from_secs(900),
            mercy: Duration::from_secs(15),
            look_around_every: Duration::from_secs(60),
            port_races_max: 3,
            stop: Grace {
                kill: Duration::from_secs(10),
                give_up: Duration::from_secs(12),
                ..Grace::QUIT
            },
            quit: Grace::QUIT,
        }
    }
}

impl Grace {
    /// The quit budget of 7 s that the whole agent has.
    const QUIT: Self = Self {
        wind_down: Duration::from_millis(1_500),
        term_again: Duration::from_millis(3_500),
        kill: Duration::from_secs(5),
        give_up: Duration::from_secs(7),
    };

    /// No courtesy: SIGKILL at once.
    pub(crate) const NONE: Self = Self {
        wind_down: Duration::ZERO,
        term_again: Duration::ZERO,
        kill: Duration::ZERO,
        give_up: Duration::from_secs(2),
    };
}

/// Shortens every wait of restarting, starting and liveness, so that tests need not wait for minutes. A number above 0
/// and up to 1; anything else is 1.
const FACTOR_VARIABLE: &str = "NEXUS_TEST_WAITS";

/// By how much the waits of tests are shortened; 1 outside of them.
pub fn test_factor() -> f64 {
    let given = std::env::var(FACTOR_VARIABLE).ok();
    given
        .and_then(|factor| factor.parse().ok())
        .filter(|factor| *factor > 0.0 && *factor <= 1.0)
        .unwrap_or(1.0)
}

impl Policy {
    /// The same policy as it is used: with the waits of a test shortened.
    pub fn shortened_for_tests(self) -> Self {
        self.scaled(test_factor())
    }

    /// The same policy with every wait of restarting, starting and liveness multiplied by `factor`, so that tests can
    /// live through hours. Stops and single probes keep their times: those are the system's, not ours.
    pub fn scaled(mut self, factor: f64) -> Self {
        for wait in [
            &mut self.initial_delay,
            &mut self.max_delay,
            &mut self.window,
            &mut self.healthy_after,
            &mut self.forgiven_after,
            &mut self.slow_retry,
            &mut self.slow_start,
            &mut self.start_deadline,
            &mut self.probe_every,
            &mut self.hung_after,
            &mut self.still_for,
            &mut self.long_stall,
            &mut self.hung_at_last,
            &mut self.mercy,
            &mut self.look_around_every,
        ] {
            *wait = wait.mul_f64(factor);
        }
        self
    }
}
