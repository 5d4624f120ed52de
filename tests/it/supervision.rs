//! opencode and the agent are kept alive, and nothing they start outlives them.
//!
//! Long loops run with `NEXUS_TEST_LONG=1`; without it each shows the same with fewer rounds.

mod agent;
mod damage;
mod enduring;
mod loops;
mod misbehaving;
mod served;
mod shortage;

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::harness::{Agent, Home, Options, PATIENCE, Pid, Processes, until};

/// The misbehaving opencode, built beside the program under test.
fn stub() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_nexus")).with_file_name("opencode-stub");
    assert!(path.exists(), "build it first: cargo build -p fakes --bins");
    path
}

/// A program in `home` that behaves as `words` say; replaced as a package manager would, by renaming.
pub(crate) fn stub_in(home: &Home, words: &str) -> PathBuf {
    let path = home.path().join("bin").join("opencode");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let fresh = path.with_extension("new");
    let script = format!(
        "#!/bin/sh\nOPENCODE_STUB='{words}' exec '{}' \"$@\"\n",
        stub().display()
    );
    std::fs::write(&fresh, script).unwrap();
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(fresh, &path).unwrap();
    path
}

/// An agent to be started on a stub that behaves as `words` say.
fn on_stub(words: &str) -> Options {
    let home = Home::new();
    let path = stub_in(&home, words);
    Agent::options().home(home).program(&path)
}

/// What has programs see another time of day.
pub(crate) fn faketime() -> PathBuf {
    let found = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
        .iter()
        .map(|triple| PathBuf::from(format!("/usr/lib/{triple}/faketime/libfaketime.so.1")))
        .find(|path| path.exists());
    found.expect("libfaketime is missing: apt-get install -y libfaketime")
}

pub(crate) fn state(status: &serde_json::Value) -> &str {
    status["modules"]["opencode"]["state"].as_str().unwrap_or("")
}

fn reason(status: &serde_json::Value) -> &str {
    status["modules"]["opencode"]["reason"].as_str().unwrap_or("")
}

pub(crate) fn is_long() -> bool {
    std::env::var_os("NEXUS_TEST_LONG").is_some_and(|value| value == "1")
}

/// A figure for whoever reads the output of the suite.
fn report(line: &str) {
    let _nobody_has_to_read_it = writeln!(std::io::stderr(), "figure: {line}");
}

/// A number of seconds nobody else sleeps for, to find one's own processes by.
fn odd_sleep() -> String {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    format!("{}{next:03}", 2_000_000 + std::process::id())
}

/// The processes that sleep for `seconds`.
fn sleepers(home: &Home, seconds: &str) -> Vec<Pid> {
    let line = format!("sleep {seconds}");
    home.survivors()
        .into_iter()
        .filter(|pid| Processes::command(*pid) == line)
        .collect()
}

/// Between two looks while opencode starts: each look is a process, and what is waited for wants the processor too.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Waits until opencode is healthy with another process than `old`, and only looks.
#[track_caller]
fn healthy_again(agent: &Agent, old: Pid) -> Pid {
    let mut looked = Instant::now();
    until("opencode to be healthy again", PATIENCE, || {
        if looked.elapsed() < LOOK_EVERY {
            return None;
        }
        looked = Instant::now();
        let output = agent.nexus(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        let pid = Pid::try_from(status["modules"]["opencode"]["pid"].as_u64()?).unwrap();
        (state(&status) == "healthy" && pid != old).then_some(pid)
    })
}

/// How long opencode takes to start by itself: the median of clean starts, each from the spawn to the first proof.
#[track_caller]
fn own_start(agent: &Agent, rounds: usize) -> Duration {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            agent.ask(&["server", "stop"]);
            let begun = Instant::now();
            agent.ask(&["server", "start"]);
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[rounds / 2]
}

/// Waits until none of `pids` lives, and says how long that took.
#[track_caller]
fn gone(what: &str, pids: &[Pid]) -> Duration {
    let begun = Instant::now();
    until(what, Duration::from_secs(15), || {
        (!pids.iter().any(|pid| Processes::is_alive(*pid))).then_some(())
    });
    begun.elapsed()
}
