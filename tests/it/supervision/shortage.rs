//! Disks that are full, homes that cannot be written to, a network that is gone.
//!
//! The file systems are real ones in namespaces of their own; where a kernel forbids those, the stories fail and say so.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use super::{on_stub, state};
use crate::harness::{PATIENCE, until};

/// A small file system over `FOLDER`, then the program.
const SMALL: &str = r#"mount -t tmpfs -o size="$SIZE",mode=700 tmpfs "$FOLDER" && exec "$@""#;

fn in_small_folder(
    mut options: crate::harness::Options,
    folder: &str,
    size: &str,
) -> crate::harness::Options {
    let path = options.place().nexus().join(folder);
    fs::create_dir_all(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    options.env("FOLDER", path.to_str().unwrap());
    options.env("SIZE", size);
    options.under(&[
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        SMALL,
        "sh",
    ])
}

#[test]
fn a_full_disk_stops_the_log_and_nothing_else() {
    let agent = in_small_folder(on_stub("flood=1"), "logs", "64k").start();
    agent.healthy();
    let logs = agent.home().nexus().join("logs");

    let full = || agent.inside(&format!("df --output=avail {} | tail -1", logs.display()));
    until("the disk to be full", PATIENCE, || {
        (full().trim() == "0").then_some(())
    });
    agent.wait_for("the log to say so", |status| {
        status["modules"]["logs"]["state"] == "degraded"
    });
    assert_eq!(agent.stranger().get("/healthz").status, 200);
    assert_eq!(state(&agent.status()), "healthy");

    agent.inside(&format!("mount -o remount,size=20m tmpfs {}", logs.display()));
    agent.wait_for("the log to go on", |status| {
        status["modules"]["logs"]["state"] == "running"
    });
    let used = || agent.inside(&format!("du -sk {} | cut -f1", logs.display()));
    until("lines to be written again", PATIENCE, || {
        (used().trim().parse::<u32>().unwrap() > 128).then_some(())
    });
    agent.quit();
}

#[test]
fn a_full_disk_keeps_the_settings_whole() {
    let options = on_stub("");
    let file = options.place().nexus().join("settings.toml");
    let agent = options
        .under(&[
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            r#"cp -r "$NEXUS_HOME" "$TMPDIR/was" && mount -t tmpfs -o size=2m,mode=700 tmpfs "$NEXUS_HOME" &&
               cp -r "$TMPDIR/was/." "$NEXUS_HOME" && exec "$@""#,
            "sh",
        ])
        .start();
    let nexus = env!("CARGO_BIN_EXE_nexus");
    let before = agent.inside(&format!("cat {}", file.display()));
    agent.inside(&format!(
        "head -c 4m /dev/zero > {}/filler; true",
        agent.home().nexus().display()
    ));

    let said = agent.inside(&format!(
        "{nexus} settings set opencode.restart.max_failures 9 2>&1; echo status $?"
    ));

    assert!(said.contains("status 1"), "{said}");
    assert!(said.to_lowercase().contains("no space"), "{said}");
    assert_eq!(agent.inside(&format!("cat {}", file.display())), before);
    agent.inside(&format!("rm {}/filler", agent.home().nexus().display()));
    let said = agent.inside(&format!(
        "{nexus} settings set opencode.restart.max_failures 9 2>&1; echo status $?"
    ));
    assert!(said.contains("status 0"), "{said}");
    agent.quit_inside();
}

#[test]
fn without_a_network_everything_here_goes_on() {
    let agent = on_stub("")
        .under(&[
            "unshare",
            "--user",
            "--map-root-user",
            "--net",
            "sh",
            "-c",
            r#"ip link set lo up && exec "$@""#,
            "sh",
        ])
        .start();

    agent.wait_within("opencode", Duration::from_secs(60), |status| {
        state(status) == "healthy"
    });
    let page = agent.inside(&format!(
        "python3 -c \"import urllib.request as u; print(u.urlopen('{}/login').read().decode())\"",
        agent.base()
    ));
    assert!(page.contains("<form"), "{page}");
    agent.quit();
}

#[test]
fn a_home_that_cannot_be_written_to_is_said_and_served_from() {
    // As on a system that was mounted read-only after a fault of its disk; only folders for what need not last can be
    // written to.
    let agent = on_stub("")
        .under(&[
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            r#"cd "$NEXUS_HOME" && mkdir -p -m 700 run logs cache && mount --bind . . && mount -o remount,ro,bind "$PWD" &&
               for folder in run logs cache; do mount -t tmpfs -o mode=700 tmpfs "$PWD/$folder"; done &&
               exec "$@""#,
            "sh",
        ])
        .start();
    let nexus = env!("CARGO_BIN_EXE_nexus");

    let told = agent.inside(&format!("{nexus} notices list"));
    let set = agent.inside(&format!(
        "{nexus} settings set opencode.restart.max_failures 9 2>&1; echo status $?"
    ));

    assert!(told.contains("nothing is saved"), "{told}");
    assert!(set.contains("status 1"), "{set}");
    assert_eq!(agent.stranger().get("/healthz").status, 200);
    agent.quit_inside();
}
