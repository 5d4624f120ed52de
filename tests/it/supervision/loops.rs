//! Killed again and again.

use std::{
    fs,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use super::{gone, is_long, odd_sleep, own_start, report, served::shell_of, state, stub};
use crate::harness::{Agent, PATIENCE, Pid, Processes, until};

/// What an automatic restart may add to opencode's own start.
const ADDED_MAX: Duration = Duration::from_millis(500);
/// What a machine may add that does other things beside: a few rounds say too little to judge them by less.
const NOISE_MAX: Duration = Duration::from_secs(2);
/// Rounds to each clean start, to compare with. They are spread over the run: opencode's own start varies by a second on
/// one machine, clean or not.
const ROUNDS_PER_CLEAN_START: usize = 5;
/// The kernel's clock ticks that start times are counted in.
const TICKS_PER_SECOND: f64 = 100.0;
/// No waits, so that the loop measures the way back and not the patience.
const EAGER: &str = "restart.max_failures = 1000\nrestart.initial_delay_s = 0\nrestart.max_delay_s = 1";

#[test]
fn opencode_killed_again_and_again_is_back_every_time() {
    let rounds = if is_long() { 100 } else { 5 };
    let agent = Agent::options().opencode(EAGER).start();

    let figures = kill_again_and_again(&agent, rounds, |_agent, server| server);

    assert_eq!(agent.status()["modules"]["opencode"]["restarts"], rounds);
    figures.judge("opencode");
    agent.quit();
}

#[test]
fn the_agent_killed_again_and_again_is_back_every_time() {
    let rounds = if is_long() { 100 } else { 5 };
    let mut options = Agent::options().opencode(EAGER);
    options.env("NEXUS_AGENT_RESTARTS", "1000");
    let agent = options.start();

    let figures = kill_again_and_again(&agent, rounds, |agent, _server| agent.pid());

    figures.judge("the agent");
    agent.quit();
}

struct Figures {
    /// Kill to healthy.
    back: Vec<Duration>,
    /// Kill to the next opencode's start.
    spawned: Vec<Duration>,
    clean: Vec<Duration>,
}

/// Kills what `victim` names (given opencode's process) until opencode was back `rounds` times.
fn kill_again_and_again(agent: &Agent, rounds: usize, victim: impl Fn(&Agent, Pid) -> Pid) -> Figures {
    let mut figures = Figures {
        back: Vec::new(),
        spawned: Vec::new(),
        clean: Vec::new(),
    };
    agent.healthy();
    let seconds = odd_sleep();
    let mut strangers = strangers(agent, &seconds);
    for round in 0..rounds {
        if round % ROUNDS_PER_CLEAN_START == 0 {
            figures
                .clean
                .push(own_start(agent, if is_long() { 1 } else { 3 }));
        }
        let old = agent.healthy();
        let tools = shell_of(agent, &odd_sleep());
        let victim = victim(agent, old);
        let killed = Instant::now();
        Processes::signal(victim, "KILL");
        let new = back(agent, old);
        figures.back.push(killed.elapsed());
        figures.spawned.push(killed.elapsed().saturating_sub(age(new)));
        gone("the tool commands of the killed one", &tools);
    }
    for stranger in &mut strangers {
        assert!(
            stranger.try_wait().unwrap().is_none(),
            "a foreign process was touched"
        );
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
    figures
}

/// Processes of the same user that look like ours: a server, and a command with the arguments of a tool.
fn strangers(agent: &Agent, seconds: &str) -> Vec<Child> {
    let mut server = agent.home().command(stub());
    server.args(["serve", "--port", "0"]);
    let mut tool = agent.home().command("sleep");
    tool.arg(seconds);
    [server, tool]
        .iter_mut()
        .map(|command| {
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect()
}

/// Waits until opencode is healthy with another process than `old`. Asks in the way that costs least, because what is
/// waited for wants the processor too: a start request returns when the state has settled. There is no delay it could cut
/// short here.
#[track_caller]
fn back(agent: &Agent, old: Pid) -> Pid {
    until("opencode to be healthy again", PATIENCE, || {
        if !agent.nexus(&["server", "start"]).status.success() {
            return None;
        }
        let status = agent.status();
        let pid = Pid::try_from(status["modules"]["opencode"]["pid"].as_u64()?).unwrap();
        (state(&status) == "healthy" && pid != old).then_some(pid)
    })
}

/// How long a process has been running, to the kernel's clock tick.
fn age(pid: Pid) -> Duration {
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let started: f64 = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .nth(19)
        .unwrap()
        .parse()
        .unwrap();
    Duration::from_secs_f64((uptime - started / TICKS_PER_SECOND).max(0.0))
}

impl Figures {
    fn judge(mut self, who: &str) {
        for times in [&mut self.back, &mut self.spawned, &mut self.clean] {
            times.sort();
        }
        let median = |times: &[Duration]| times[times.len() / 2];
        let p95 = |times: &[Duration]| times[(times.len() * 95 / 100).min(times.len() - 1)];
        report(&format!(
            "{who} killed {} times: opencode spawned again after {:?} (median) {:?} (p95), healthy after {:?} (median) \
             {:?} (p95); {} clean starts in between took {:?} (median) {:?} (p95)",
            self.back.len(),
            median(&self.spawned),
            p95(&self.spawned),
            median(&self.back),
            p95(&self.back),
            self.clean.len(),
            median(&self.clean),
            p95(&self.clean),
        ));
        if is_long() {
            // Much of this is the kernel's: it takes apart what opencode had in memory before anybody hears of its end.
            assert!(median(&self.spawned) <= ADDED_MAX, "{:?}", self.spawned);
            assert!(p95(&self.back) <= p95(&self.clean) + ADDED_MAX, "{:?}", self.back);
        } else {
            assert!(median(&self.spawned) <= NOISE_MAX, "{:?}", self.spawned);
            assert!(
                median(&self.back) <= p95(&self.clean) + ADDED_MAX + NOISE_MAX,
                "{:?}",
                self.back
            );
        }
    }
}
