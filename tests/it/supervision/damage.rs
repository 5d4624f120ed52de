//! Files that hold something else than what was written.

use std::fs;

use crate::harness::{Agent, Home};

const PASSWORD: &str = "a rather long and unusual passphrase";

/// A home with a password and a settings file worth losing.
fn lived_in() -> Home {
    let agent = Agent::options()
        .idle()
        .settings("[chat]\nprojects = [\"/tmp\"]\n[logs]\nlevel = \"debug\"\n")
        .start();
    let mut set = agent.command(&["password", "set", "--stdin"]);
    set.stdin(std::process::Stdio::piped());
    let mut child = set.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), PASSWORD.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    agent.quit()
}

/// Starts, is shut to strangers, and lets the owner in.
fn is_whole(home: Home, what: &str) -> Home {
    let agent = Agent::options().home(home).start();
    let mut door = agent.stranger();
    assert_eq!(door.get("/api/status").status, 401, "{what}: open to strangers");
    let answer = door.post_form("/login", &[("password", "not this one at all")]);
    assert_eq!(answer.status, 401, "{what}: any password will do");
    let answer = door.post_form("/login", &[("password", PASSWORD)]);
    assert_eq!(answer.status, 303, "{what}: {answer:?}");
    door.keep(&answer);
    let page = door.get("/dashboard");
    assert_eq!(page.status, 200, "{what}: {page:?}");
    agent.quit()
}

#[test]
fn settings_cut_anywhere_or_overwritten_open_no_door() {
    let mut home = lived_in();
    let path = home.nexus().join("settings.toml");
    let good = fs::read(&path).unwrap();
    let noise: Vec<u8> = (0..good.len()).map(|at| (at * 167 % 251) as u8).collect();
    let mut damages: Vec<(String, Vec<u8>)> = (0..good.len())
        .step_by(10)
        .map(|end| (format!("cut after {end} bytes"), good[..end].to_vec()))
        .collect();
    damages.push(("noise".to_owned(), noise));

    for (what, content) in damages {
        fs::write(&path, content).unwrap();
        home = is_whole(home, &what);
    }

    let kept = fs::read_dir(home.nexus())
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .contains(".corrupt-")
        })
        .count();
    assert!(kept > 0, "what could not be read was not kept");
}

#[test]
fn a_damaged_session_store_ends_the_sessions_and_nothing_else() {
    let mut home = lived_in();
    let path = home.nexus().join("state.db");
    let good = fs::read(&path).unwrap();
    let mut torn = good.clone();
    torn[..200].fill(0xff);
    for (what, content) in [
        ("noise", vec![0x5a; 40_000]),
        ("cut in half", good[..good.len() / 2].to_vec()),
        ("a torn head", torn),
        ("empty", Vec::new()),
    ] {
        for companion in ["state.db-wal", "state.db-shm"] {
            // Not there after a clean end.
            let _ = fs::remove_file(home.nexus().join(companion));
        }
        fs::write(&path, content).unwrap();
        home = is_whole(home, what);
    }
}
