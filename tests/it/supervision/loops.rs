//! Killed again and again.

use std::time::{Duration, Instant};

use super::{healthy_again, is_long, own_start, report};
use crate::harness::{Agent, Processes};

/// What an automatic restart may add to opencode's own start.
const ADDED_MAX: Duration = Duration::from_millis(500);

/// No waits, so that the loop measures the way back and not the patience.
const EAGER: &str = "restart.max_failures = 1000\nrestart.initial_delay_s = 0\nrestart.max_delay_s = 1";

#[test]
fn opencode_killed_again_and_again_is_back_every_time() {
    let rounds = if is_long() { 50 } else { 4 };
    let agent = Agent::options().opencode(EAGER).start();
    agent.healthy();
    let own = own_start(&agent, 5);
    let mut times = Vec::new();
    let mut pid = agent.healthy();

    for _ in 0..rounds {
        let killed = Instant::now();
        Processes::signal(pid, "KILL");
        pid = healthy_again(&agent, pid);
        times.push(killed.elapsed());
    }

    assert_eq!(agent.status()["modules"]["opencode"]["restarts"], rounds);
    judge("opencode", times, own);
    agent.quit();
}

#[test]
fn the_agent_killed_again_and_again_is_back_every_time() {
    let rounds = if is_long() { 20 } else { 2 };
    let mut options = Agent::options().opencode(EAGER);
    options.env("NEXUS_AGENT_RESTARTS", "1000");
    let agent = options.start();
    agent.healthy();
    let own = own_start(&agent, 5);
    let mut times = Vec::new();
    let mut pid = agent.healthy();

    for _ in 0..rounds {
        let killed = Instant::now();
        Processes::signal(agent.pid(), "KILL");
        pid = healthy_again(&agent, pid);
        times.push(killed.elapsed());
    }

    judge("the agent", times, own);
    agent.quit();
}

fn judge(who: &str, mut times: Vec<Duration>, own: Duration) {
    times.sort();
    let (median, p95) = (
        times[times.len() / 2],
        times[(times.len() * 95 / 100).min(times.len() - 1)],
    );
    report(&format!(
        "{who} killed {} times: healthy again after {median:?} (median), {p95:?} (p95); opencode's own start {own:?}",
        times.len()
    ));
    // A few rounds on a machine that does other things say nothing about the last five of a hundred.
    let judged = if is_long() { p95 } else { median };
    let borne = if is_long() { ADDED_MAX } else { ADDED_MAX * 4 };
    assert!(
        judged <= own + borne,
        "{judged:?} against an own start of {own:?}"
    );
}
