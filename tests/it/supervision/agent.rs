//! The agent and its monitor.

use std::time::{Duration, Instant};

use super::{on_stub, stub};
use crate::harness::{PATIENCE, Processes, until};

#[test]
fn asking_either_of_the_two_to_end_ends_both_in_time() {
    for ask_agent in [false, true] {
        let mut agent = on_stub("ignore_term children=1").start();
        agent.healthy();
        let asked = if ask_agent { agent.pid() } else { agent.monitor() };

        let begun = Instant::now();
        Processes::signal(asked, "TERM");
        let status = agent.ended();

        let took = begun.elapsed();
        super::report(&format!("quit with a server that does not listen: {took:?}"));
        assert!(status.success(), "{status}");
        assert!(
            took <= Duration::from_secs(7) + Duration::from_millis(500),
            "{took:?}"
        );
        agent.home().assert_empty();
    }
}

#[test]
fn asking_twice_means_at_once() {
    let mut agent = on_stub("ignore_term children=1").start();
    agent.healthy();
    Processes::signal(agent.monitor(), "TERM");
    agent.wait_for_line("asked to end");

    let begun = Instant::now();
    Processes::signal(agent.monitor(), "TERM");
    let status = agent.ended();

    let took = begun.elapsed();
    assert!(status.success(), "{status}");
    assert!(
        took <= Duration::from_secs(1) + Duration::from_millis(200),
        "{took:?}"
    );
    agent.home().assert_empty();
}

#[test]
fn a_killed_monitor_takes_the_agent_with_it() {
    let agent = on_stub("children=1").start();
    agent.healthy();

    let home = agent.killed_with(|agent| vec![agent.monitor()]);

    home.assert_empty();
}

#[test]
fn when_both_are_killed_the_next_start_removes_what_is_ours_and_nothing_else() {
    let agent = on_stub("children=2").start();
    let server = agent.healthy();
    let mut own = agent
        .home()
        .command(stub())
        .args(["serve", "--port", "0"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();

    let home = agent.killed_with(|agent| vec![agent.monitor(), agent.pid()]);
    let left: Vec<_> = home.survivors();
    assert!(left.contains(&server), "the leftovers are there to be removed");
    let doctor = home.nexus_command().arg("doctor").output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("An earlier agent was killed"), "{said}");
    assert!(said.contains(&server.to_string()), "{said}");
    let agent = crate::harness::Agent::options().home(home).start();
    agent.healthy();

    until("the leftovers to go", PATIENCE, || {
        left.iter()
            .all(|pid| *pid == own.id() || !Processes::is_alive(*pid))
            .then_some(())
    });
    assert!(
        own.try_wait().unwrap().is_none(),
        "the user's own server lives on"
    );
    own.kill().unwrap();
    own.wait().unwrap();
    agent.quit();
}

#[test]
fn the_monitor_is_small() {
    let agent = on_stub("").start();
    agent.healthy();

    let private_kib = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", agent.monitor()))
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("Private_Dirty:"))
        .find_map(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .unwrap();
    super::report(&format!("the monitor's own memory: {private_kib} KiB"));

    let threads = std::fs::read_dir(format!("/proc/{}/task", agent.monitor()))
        .unwrap()
        .count();
    assert_eq!(threads, 1);
    // Unoptimised builds have bigger tables to relocate; the bench looks at the released one.
    assert!(private_kib <= 8 * 1_024, "{private_kib} KiB");
    agent.quit();
}
