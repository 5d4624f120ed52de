//! A state file is old or new, never a mix, wherever its writer fails or is killed.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a broken expectation ends the story")]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// What replacing a file asks of the system.
const CALLS: [&str; 12] = [
    "openat",
    "write",
    "read",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "linkat",
    "unlink",
    "copy_file_range",
    "close",
];

/// Every call is made a few times at most.
const TIMES: u32 = 40;

/// Kills at random moments; a release has a thousand.
const KILLS: u32 = 300;

fn whole(path: &Path) -> u8 {
    let content = fs::read(path).unwrap();
    assert_eq!(content.len(), 10_000, "{}", path.display());
    assert!(
        content.iter().all(|byte| *byte == content[0]),
        "a mix in {}",
        path.display()
    );
    content[0]
}

fn writer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_state-writer"));
    command
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[test]
fn a_writer_that_fails_or_is_killed_at_any_call_leaves_the_old_or_the_new() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    let (mut old, mut new, mut stopped) = (0, 0, 0);
    for call in CALLS {
        for what in ["error=ENOSPC", "signal=KILL"] {
            for time in 1..=TIMES {
                fs::write(&path, vec![b'o'; 10_000]).unwrap();
                let inject = format!("inject={call}:{what}:when={time}");
                let ended = Command::new("strace")
                    .args([
                        "-f",
                        "-qq",
                        "-o",
                        "/dev/null",
                        "-e",
                        &format!("trace={call}"),
                        "-e",
                        &inject,
                    ])
                    .arg(env!("CARGO_BIN_EXE_state-writer"))
                    .args([path.to_str().unwrap(), "n"])
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
                    .expect("strace is missing: apt-get install -y strace");
                match whole(&path) {
                    b'o' => old += 1,
                    b'n' => new += 1,
                    other => panic!("{} after {inject}", char::from(other)),
                }
                if ended.success() && time > 6 {
                    // The call is made less often: nothing was injected.
                    break;
                }
                stopped += u32::from(!ended.success());
            }
        }
    }
    assert!(
        old > 10 && new > 10 && stopped > 20,
        "{old} old, {new} new, {stopped} stopped"
    );
}

#[test]
fn a_writer_that_is_killed_at_any_moment_leaves_something_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    fs::write(&path, vec![b'a'; 10_000]).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for kill in 0..KILLS {
        let mut child = writer(&[path.to_str().unwrap(), "b", "100000"]).spawn().unwrap();
        let begun = Instant::now();
        // Spread over the first milliseconds: starting, the first writes, many writes.
        let life = Duration::from_micros(u64::from(kill) * 7_919 % 12_000);
        while begun.elapsed() < life {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        seen.insert(whole(&path));
    }
    assert!(seen.len() > 2, "it was never killed between two writes: {seen:?}");
}
