//! An opencode that does what it should not.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use super::{gone, on_stub, reason, state, stub_in};
use crate::harness::{Agent, Home, PATIENCE, Processes, until};

#[test]
fn a_server_that_ends_at_once_is_given_up_with_its_last_words() {
    for (words, said) in [("exit=0", "exit code 0"), ("exit=1 say=boom", "boom")] {
        let home = Home::new();
        let starts = home.path().join("starts");
        let path = stub_in(&home, &format!("{words} starts={}", starts.display()));
        let begun = Instant::now();
        let agent = Agent::options().home(home).program(&path).start();

        let status = agent.wait_for("opencode to be given up", |status| state(status) == "degraded");

        assert!(begun.elapsed() < Duration::from_secs(60));
        assert!(reason(&status).contains(said), "{status:#}");
        assert_eq!(fs::read_to_string(&starts).unwrap().lines().count(), 5);
        assert_eq!(status["modules"]["opencode"]["restarts"], 4);
        agent.quit();
    }
}

#[test]
fn a_server_that_cannot_be_trusted_is_ended_and_said_so() {
    for (words, said) in [
        ("open", "password"),
        ("wide", "0.0.0.0"),
        ("version=1.1.9", "1.1.9"),
        ("version=garbage", "version"),
    ] {
        let agent = on_stub(words).start();

        let status = agent.wait_for("opencode to be refused", |status| state(status) == "needs_action");

        assert!(reason(&status).contains(said), "{words}: {status:#}");
        let left = agent
            .home()
            .survivors()
            .into_iter()
            .filter(|pid| Processes::command(*pid).contains("opencode-stub serve"))
            .count();
        assert_eq!(left, 0, "{words}");
        agent.quit();
    }
}

#[test]
fn a_port_lost_in_a_race_is_nobodys_trouble() {
    let home = Home::new();
    let (squat, starts) = (home.path().join("squat"), home.path().join("starts"));
    fs::write(&squat, "").unwrap();
    let path = stub_in(
        &home,
        &format!("squat={} starts={}", squat.display(), starts.display()),
    );
    let agent = Agent::options().home(home).program(&path).start();

    agent.healthy();

    let status = agent.status();
    assert_eq!(status["modules"]["opencode"]["restarts"], 0);
    let starts = fs::read_to_string(starts).unwrap();
    let ports: Vec<&str> = starts.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(ports.len(), 2);
    assert_ne!(ports[0], ports[1]);
    agent.quit();
}

#[test]
fn who_ignores_being_asked_is_killed_after_ten_seconds() {
    let agent = on_stub("ignore_term children=2").start();
    let pid = agent.healthy();

    let begun = Instant::now();
    agent.ask(&["server", "stop"]);

    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(10), "{took:?}");
    assert!(
        took <= Duration::from_secs(12) + Duration::from_millis(500),
        "{took:?}"
    );
    assert!(!Processes::is_alive(pid));
    let left: Vec<String> = agent
        .home()
        .survivors()
        .into_iter()
        .map(Processes::command)
        .filter(|line| line.contains("sleep") || line.contains("stub"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    agent.quit();
}

#[test]
fn what_a_killed_server_started_ends_and_the_next_one_does_not_wait() {
    let agent = on_stub("children=2").start();
    let pid = agent.healthy();
    let children: Vec<_> = until("its children", PATIENCE, || {
        let found: Vec<_> = agent
            .home()
            .survivors()
            .into_iter()
            .filter(|pid| Processes::command(*pid) == "sleep 900")
            .collect();
        (found.len() == 4).then_some(found)
    });

    Processes::signal(pid, "KILL");

    gone("the old tree to end", &children);
    super::healthy_again(&agent, pid);
    agent.quit();
}

#[test]
fn a_removed_server_is_missed_by_name_and_taken_up_when_it_is_back() {
    let agent = on_stub("").start();
    let pid = agent.healthy();
    let path = agent.home().path().join("bin/opencode");
    fs::remove_file(&path).unwrap();
    assert!(Processes::is_alive(pid), "what runs is left alone");

    Processes::signal(pid, "KILL");
    let status = agent.wait_for("opencode to be missed", |status| state(status) == "needs_action");
    assert!(
        reason(&status).contains(&path.display().to_string()),
        "{status:#}"
    );
    stub_in(agent.home(), "");
    let back = Instant::now();
    agent.wait_within("opencode to be taken up", Duration::from_secs(65), |status| {
        state(status) == "healthy"
    });

    assert!(back.elapsed() <= Duration::from_secs(65));
    agent.quit();
}

#[test]
fn a_server_replaced_while_it_runs_runs_on_and_the_next_start_takes_the_new_one() {
    let agent = on_stub("").start();
    let pid = agent.healthy();

    stub_in(agent.home(), "version=1.19.0");
    assert_eq!(agent.healthy(), pid);
    agent.ask(&["server", "restart"]);

    let status = agent.wait_for("the new version", |status| state(status) == "healthy");
    assert_eq!(status["modules"]["opencode"]["version"], "1.19.0");
    assert_ne!(status["modules"]["opencode"]["pid"], pid);
    agent.quit();
}

#[test]
fn a_flood_of_output_drowns_nobody() {
    // In the shorter run there is room for less than what comes in it too.
    let (seconds, kept_mib) = if super::is_long() { (60, 50) } else { (8, 5) };
    let agent = on_stub("flood=100")
        .settings(&format!("[logs]\nmax_mib = {kept_mib}"))
        .start();
    agent.healthy();
    let pid = agent.pid();
    let before_kib = Processes::pss_kib(pid);
    let door = agent.stranger();

    let begun = Instant::now();
    let mut times = Vec::new();
    while begun.elapsed() < Duration::from_secs(seconds) {
        let asked = Instant::now();
        assert_eq!(door.get("/healthz").status, 200);
        times.push(asked.elapsed());
        crate::harness::until("the next look", PATIENCE, || {
            (asked.elapsed() >= Duration::from_millis(50)).then_some(())
        });
    }
    let grown_kib = Processes::pss_kib(pid).saturating_sub(before_kib);

    times.sort();
    let p99 = times[times.len() * 99 / 100];
    super::report(&format!(
        "flood for {seconds} s: agent +{grown_kib} KiB, p99 of an answer {p99:?}"
    ));
    assert!(grown_kib <= 32 * 1_024, "{grown_kib} KiB");
    assert!(p99 <= Duration::from_millis(200), "{p99:?}");
    assert_eq!(state(&agent.status()), "healthy");
    // Counted when it has ended: a file may be renamed while it is looked at.
    let home = agent.quit();
    let mut kept = 0;
    for entry in fs::read_dir(home.nexus().join("logs")).unwrap() {
        let entry = entry.unwrap();
        let (name, found) = (
            entry.file_name().into_string().unwrap(),
            entry.metadata().unwrap(),
        );
        assert_eq!(found.permissions().mode() & 0o777, 0o600, "{name}");
        kept += if name.starts_with("opencode.") {
            found.len()
        } else {
            0
        };
    }
    let most = kept_mib * 1_024 * 1_024;
    assert!((most / 2..=most).contains(&kept), "{kept} bytes of log");
}
