//! Hangs, sleeps and shortages: what is kept, what is replaced, and what is said of it.
//!
//! The policy's waits are a tenth of the real ones here (`NEXUS_TEST_WAITS`); with `NEXUS_TEST_LONG=1` the two stories
//! that are about minutes take their real time.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::{gone, healthy_again, is_long, on_stub, reason, report, state, stub_in};
use crate::harness::{Agent, Home, Options, PATIENCE, Pid, Processes, until};

/// A tenth of every wait of the policy.
const TENTH: &str = "0.1";

fn hurried(mut options: Options) -> Options {
    options.env("NEXUS_TEST_WAITS", TENTH);
    options
}

fn ends(agent: &Agent) -> Vec<serde_json::Value> {
    let output = agent.nexus(&["server", "history", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_stopped_server_is_replaced_and_the_history_tells_why() {
    let agent = if is_long() {
        Agent::options().start()
    } else {
        hurried(Agent::options()).start()
    };
    let old = agent.healthy();
    let (earliest, latest, shown) = if is_long() { (60, 110, 45) } else { (6, 25, 19) };

    let stopped = Instant::now();
    Processes::signal(old, "STOP");
    let status = agent.wait_within("the silence to be said", Duration::from_secs(shown), |status| {
        state(status) == "unresponsive"
    });
    let unresponsive = stopped.elapsed();
    assert!(reason(&status).contains("left alone"), "{status:#}");
    until("another process", Duration::from_secs(latest), || {
        let found = agent.status()["modules"]["opencode"]["state"] != "unresponsive";
        found.then_some(())
    });
    let replaced = stopped.elapsed();

    report(&format!(
        "a stopped server: unresponsive after {unresponsive:?}, replaced after {replaced:?}"
    ));
    assert!(replaced >= Duration::from_secs(earliest), "{replaced:?}");
    assert!(replaced <= Duration::from_secs(latest + shown), "{replaced:?}");
    assert!(
        !is_long() || replaced <= Duration::from_secs(latest),
        "{replaced:?}"
    );
    gone("the stopped one to be gone", &[old]);
    healthy_again(&agent, old);
    let last = until("the end in the history", PATIENCE, || {
        ends(&agent)
            .into_iter()
            .next()
            .filter(|end| !end["away_s"].is_null())
    });
    assert_eq!(last["cause"], "it was stopped by a signal and does not answer");
    assert_eq!(last["signal"], 9);
    assert!(last["ran_s"].as_f64().unwrap() > 0.0, "{last}");
    agent.quit();
}

#[test]
fn a_busy_server_keeps_its_work() {
    // Ten minutes of silence, all cores at work; otherwise long enough for a verdict twice over.
    let silent_s = if is_long() { 600 } else { 36 };
    let options = on_stub(&format!("busy_after=2 busy_for={silent_s}"));
    let agent = if is_long() {
        options.start()
    } else {
        hurried(options).start()
    };
    let pid = agent.healthy();

    agent.wait_within("the silence to be said", Duration::from_secs(90), |status| {
        state(status) == "unresponsive"
    });
    agent.wait_within("the late answer", Duration::from_secs(silent_s + 60), |status| {
        state(status) == "healthy"
    });

    assert_eq!(agent.healthy(), pid, "it was not restarted");
    assert_eq!(ends(&agent), Vec::<serde_json::Value>::new());
    agent.quit();
}

#[test]
fn a_slow_start_is_hinted_at_and_an_endless_one_is_ended() {
    let slow = hurried(on_stub("ready_after=9")).start();
    slow.wait_for("the hint", |status| {
        state(status) == "starting" && reason(status).contains("longer than usual")
    });
    slow.healthy();
    assert_eq!(slow.status()["modules"]["opencode"]["restarts"], 0);
    slow.quit();

    let home = Home::new();
    let starts = home.path().join("starts");
    let path = stub_in(&home, &format!("unready children=1 starts={}", starts.display()));
    let endless = hurried(Agent::options().home(home).program(&path)).start();
    let status = endless.wait_within("the start to be given up", Duration::from_secs(30), |status| {
        state(status) == "backoff"
    });
    assert!(reason(&status).contains("not ready"), "{status:#}");
    let first: Pid = fs::read_to_string(&starts)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(!Processes::is_alive(first));
    endless.quit();
}

#[test]
fn nobody_is_ended_for_what_happened_during_a_sleep() {
    let agent = hurried(on_stub("")).start();
    let pid = agent.healthy();
    let own = agent.pid();

    // Both stand still for longer than a timer may be late, as in a freeze of the whole session.
    Processes::signal(pid, "STOP");
    Processes::signal(own, "STOP");
    let frozen = Instant::now();
    until("the freeze to have lasted", PATIENCE, || {
        (frozen.elapsed() >= Duration::from_secs(33)).then_some(())
    });
    Processes::signal(own, "CONT");
    Processes::signal(pid, "CONT");

    agent.wait_for_log("time passed without us");
    assert_eq!(agent.healthy(), pid);
    assert_eq!(ends(&agent), Vec::<serde_json::Value>::new());
    agent.quit();
}

#[test]
fn a_machine_that_slept_for_a_day_before_is_like_any_other() {
    let agent = on_stub("")
        .under(&[
            "unshare",
            "--user",
            "--map-root-user",
            "--time",
            "--boottime",
            "86400",
            "--fork",
        ])
        .start();

    let pid = agent.healthy();

    assert!(!agent.log().contains("time passed without us"));
    assert_eq!(agent.healthy(), pid);
    agent.quit();
}

#[test]
fn a_wall_clock_that_jumps_restarts_nobody() {
    let home = Home::new();
    let offset = home.path().join("offset");
    fs::write(&offset, "+0\n").unwrap();
    let path = stub_in(&home, "");
    let mut options = hurried(Agent::options().home(home).program(&path));
    options.env("LD_PRELOAD", super::faketime().to_str().unwrap());
    options.env("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap());
    options.env("FAKETIME_NO_CACHE", "1");
    options.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let agent = options.start();
    let pid = agent.healthy();
    let since = |agent: &Agent| {
        agent.status()["modules"]["opencode"]["since"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let before = since(&agent);

    for jump in ["+7200\n", "-7200\n", "+0\n"] {
        fs::write(&offset, jump).unwrap();
        let jumped = Instant::now();
        // Long enough for several probes.
        until("the probes to go on", PATIENCE, || {
            (jumped.elapsed() >= Duration::from_secs(4)).then_some(())
        });
        assert_eq!(agent.healthy(), pid, "{jump}");
    }

    assert_eq!(since(&agent), before);
    assert_eq!(ends(&agent), Vec::<serde_json::Value>::new());
    agent.quit();
}

#[test]
fn a_server_that_runs_out_of_memory_is_named_and_restarted() {
    let home = Home::new();
    let path = stub_in(&home, "eat_after=1");
    let script = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        script.replace("#!/bin/sh\n", "#!/bin/sh\nulimit -v 1000000\n"),
    )
    .unwrap();
    let agent = Agent::options().home(home).program(&path).start();

    let status = agent.wait_within("the failure", Duration::from_secs(60), |status| {
        matches!(state(status), "backoff" | "degraded")
    });

    assert!(
        reason(&status).contains("aborted") && reason(&status).contains("memory"),
        "{status:#}"
    );
    agent.quit();
}

#[test]
fn two_hundred_requests_at_once_leave_one_server_or_none() {
    let home = Home::new();
    let starts = home.path().join("starts");
    let path = stub_in(&home, &format!("starts={}", starts.display()));
    let agent = Agent::options().home(home).program(&path).start();
    agent.healthy();

    let requests: Vec<String> = (0..200)
        .map(|number| {
            let verb = if number % 2 == 0 { "stop" } else { "start" };
            serde_json::json!({"ask": "call", "module": "opencode", "verb": verb, "args": [], "wait": false})
                .to_string()
        })
        .collect();

    let begun = Instant::now();
    let answers = agent.speak(&requests);
    let took = begun.elapsed();

    report(&format!("200 requests in {took:?}"));
    assert!(
        answers.iter().all(|answer| !answer.contains("error")),
        "{answers:?}"
    );
    agent.healthy();
    let serving = agent
        .home()
        .survivors()
        .into_iter()
        .filter(|pid| Processes::command(*pid).contains("opencode-stub serve"))
        .count();
    assert_eq!(serving, 1);
    // Each was told to end before the next was started: no two of them ever had a port at the same time.
    let starts = fs::read_to_string(starts).unwrap();
    assert!(starts.lines().count() <= 101, "{starts}");
    agent.healthy();
    agent.quit();
}

#[test]
fn too_much_memory_is_given_back_when_nobody_works() {
    let home = Home::new();
    let path = stub_in(&home, "hold_mib=200");
    let agent = hurried(
        Agent::options()
            .home(home)
            .program(&path)
            .opencode("memory_limit_mib = 100"),
    )
    .start();
    let pid = agent.healthy();

    healthy_again(&agent, pid);

    let last = until("the end in the history", PATIENCE, || {
        ends(&agent).into_iter().next()
    });
    assert!(last["cause"].as_str().unwrap().contains("more memory"), "{last}");
    assert_eq!(agent.status()["modules"]["opencode"]["restarts"], 0);
    agent.quit();
}
