//! Whose the program's files are: nobody else reads them, writes them or puts them there.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
};

use super::PASSWORD;
use crate::harness::{Agent, Home, PATIENCE, opencode, until, with_input};

#[test]
fn files_are_for_their_owner_whatever_the_umask() {
    let home = Home::new();
    home.settings(&format!("[opencode]\npath = \"{}\"\n", opencode().display()));
    let mut agent = home
        .command("/bin/sh")
        .args([
            "-c",
            "umask 000 && exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_nexus"),
            "run",
            "--headless",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ask = |arguments: &[&str]| home.nexus_command().args(arguments).output().unwrap();
    until("opencode to be healthy", PATIENCE, || {
        let status: serde_json::Value = serde_json::from_slice(&ask(&["status", "--json"]).stdout).ok()?;
        (status["modules"]["opencode"]["state"] == "healthy").then_some(())
    });
    let mut setting = home.command("/bin/sh");
    setting.args([
        "-c",
        "umask 000 && exec \"$0\" password set --stdin",
        env!("CARGO_BIN_EXE_nexus"),
    ]);
    assert!(with_input(&mut setting, PASSWORD).status.success());
    assert!(
        ask(&["settings", "set", "gateway.extra_local_ports", "[\"8080\"]"])
            .status
            .success()
    );

    let mut seen = Vec::new();
    private(&home.nexus(), &mut seen);
    for name in ["credential", "state.db", "settings.toml"] {
        assert!(seen.contains(&home.nexus().join(name)), "{name} among {seen:?}");
    }

    assert!(ask(&["quit", "--now"]).status.success());
    agent.wait().unwrap();
    home.assert_empty();
}

/// Holds `folder` and everything below to 0700 and 0600; `seen` gets what was looked at. What the test wrote itself
/// before the start is made private with everything else.
fn private(folder: &Path, seen: &mut Vec<PathBuf>) {
    assert_eq!(mode(folder), 0o700, "{}", folder.display());
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            private(&path, seen);
        } else {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            seen.push(path);
        }
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_folder_others_can_write_to_is_refused() {
    let home = Home::new();
    fs::set_permissions(home.nexus(), fs::Permissions::from_mode(0o777)).unwrap();

    let output = home
        .nexus_command()
        .args(["run", "--headless"])
        .stdin(Stdio::null())
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{output:?}");
    assert!(
        said.contains("can be written to by others") && said.contains("chmod 700"),
        "{said}"
    );
    assert_eq!(fs::read_dir(home.nexus()).unwrap().count(), 0);
}

#[test]
fn a_folder_of_somebody_else_is_refused() {
    let home = Home::new();
    // To its owner the folder would be theirs, and its mode be changed.
    let of = |path: &Path| fs::metadata(path).unwrap().uid();
    assert_ne!(
        of(Path::new("/usr")),
        of(home.path()),
        "run the stories as an ordinary user"
    );

    let output = home
        .nexus_command()
        .env("NEXUS_HOME", "/usr")
        .args(["run", "--headless"])
        .stdin(Stdio::null())
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        said.contains("/usr belongs to another user") && said.contains("NEXUS_HOME"),
        "{said}"
    );
}

/// What a link leads to in these stories, and what has to stand there still when they end.
fn link_to_a_canary(home: &Home, name: &str) -> PathBuf {
    let target = home.path().join(format!("of-{name}"));
    fs::write(&target, "canary-5521\n").unwrap();
    symlink(&target, home.nexus().join(name)).unwrap();
    target
}

fn is_untouched(target: &Path) -> bool {
    fs::read_to_string(target).unwrap() == "canary-5521\n"
}

#[test]
fn a_link_in_the_place_of_the_database_is_refused() {
    let home = Home::new();
    let target = link_to_a_canary(&home, "state.db");

    let output = home
        .nexus_command()
        .args(["run", "--headless"])
        .stdin(Stdio::null())
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said.contains("state.db"), "{said}");
    assert!(is_untouched(&target));
}

#[test]
fn links_in_the_place_of_password_and_secrets_are_not_followed() {
    let options = Agent::options().idle().settings("[secrets]\nfile = true");
    let credential = link_to_a_canary(options.place(), "credential");
    let secrets = link_to_a_canary(options.place(), "secrets");
    fs::write(&secrets, "{\"tunnel-token\": \"canary-5521\"}").unwrap();
    let agent = options.start();

    // What the link leads to is no password, whatever stands there; a new one takes the link's place.
    let mut stranger = agent.stranger();
    let refused = stranger.post_form("/login", &[("password", "canary-5521")]);
    let list = agent.nexus(&["secret", "list"]);
    let set = with_input(&mut agent.command(&["password", "set", "--stdin"]), PASSWORD);
    let login = stranger.post_form("/login", &[("password", PASSWORD)]);
    stranger.keep(&login);

    assert_eq!(
        (refused.status, login.status),
        (401, 303),
        "{refused:?} {login:?}"
    );
    let said = String::from_utf8_lossy(&list.stderr).into_owned();
    assert_eq!(list.status.code(), Some(1), "{list:?}");
    assert!(said.contains("is a link") && said.contains("secrets"), "{said}");
    assert!(set.status.success(), "{set:?}");
    assert!(is_untouched(&credential));
    assert!(!agent.home().nexus().join("credential").is_symlink());
    agent.quit();
}
