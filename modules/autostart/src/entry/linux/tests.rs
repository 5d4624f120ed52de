use std::process::Command;

use super::*;

fn entry(folder: &tempfile::TempDir, program: &str) -> LoginEntry {
    LoginEntry::in_folder(&folder.path().join("autostart"), program.into(), None)
}

#[test]
fn the_switch_is_off_until_it_is_switched_on_and_off_again() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder, "/opt/nexus");

    assert!(!entry.is_on().unwrap());
    entry.switch_on().unwrap();
    assert!(entry.is_on().unwrap());
    entry.switch_off().unwrap();
    assert!(!entry.is_on().unwrap());
    assert_eq!(
        std::fs::read_dir(folder.path().join("autostart"))
            .unwrap()
            .count(),
        0
    );
    entry.switch_off().unwrap();
}

#[test]
fn what_the_desktop_switched_off_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder, "/opt/nexus");
    entry.switch_on().unwrap();
    let text = std::fs::read_to_string(entry.path()).unwrap();

    for off in ["Hidden=true\n", "X-GNOME-Autostart-enabled = false\n"] {
        let others = text.replace("X-GNOME-Autostart-enabled=true\n", "");
        std::fs::write(entry.path(), others + off).unwrap();
        assert!(!entry.is_on().unwrap(), "{off}");
    }
}

#[test]
fn an_entry_with_any_path_is_valid_and_runs_that_path() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "nexus", "my app", "100%", "a\"b", "a$HOME", "a\\b", "a`b", "ä'ö", "a%f",
    ] {
        let program = folder.path().join(name);
        std::fs::write(
            &program,
            format!("#!/bin/sh\necho \"$@\" > '{}/ran'\n", folder.path().display()),
        )
        .unwrap();
        make_executable(&program);
        let entry = LoginEntry::in_folder(&folder.path().join("autostart"), program.clone(), None);
        entry.switch_on().unwrap();

        let valid = Command::new("desktop-file-validate").arg(entry.path()).output();
        let valid = valid.expect("desktop-file-validate is missing: apt-get install desktop-file-utils");
        assert_eq!(String::from_utf8_lossy(&valid.stdout), "", "{name}");
        assert!(valid.status.success(), "{name}");

        let launched = Command::new("gio").arg("launch").arg(entry.path()).output();
        let launched = launched.expect("gio is missing: apt-get install libglib2.0-bin");
        assert!(
            launched.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&launched.stderr)
        );
        assert_eq!(
            wait_for(&folder.path().join("ran")),
            "run --background\n",
            "{name}"
        );
        std::fs::remove_file(folder.path().join("ran")).unwrap();
    }
}

#[test]
fn a_portable_installation_has_an_entry_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let usual = entry(&folder, "/opt/nexus");
    let portable = LoginEntry {
        nexus_home: Some("/mnt/my stick".into()),
        ..usual.clone()
    };

    usual.switch_on().unwrap();
    portable.switch_on().unwrap();
    usual.switch_off().unwrap();

    assert!(portable.is_on().unwrap());
    let text = std::fs::read_to_string(portable.path()).unwrap();
    assert_eq!(
        value(&text, "Exec"),
        Some(r#"env "NEXUS_HOME=/mnt/my stick" "/opt/nexus" run --background"#)
    );
}

#[test]
fn an_entry_is_mended_only_when_its_program_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    std::fs::write(&old, "").unwrap();
    let mut entry = entry(&folder, "");
    entry.program = old.clone();
    entry.switch_on().unwrap();

    entry.program = new.clone();
    assert!(!entry.mend().unwrap());
    std::fs::remove_file(old).unwrap();
    assert!(entry.mend().unwrap());

    let text = std::fs::read_to_string(entry.path()).unwrap();
    assert_eq!(value(&text, "TryExec"), new.to_str());
}

#[test]
fn a_path_with_a_line_break_is_refused() {
    let folder = tempfile::tempdir().unwrap();

    assert!(matches!(
        entry(&folder, "/opt/a\nb").switch_on(),
        Err(LoginError::Path(_))
    ));
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The launched program runs on its own: waits until its whole line is there.
fn wait_for(path: &Path) -> String {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') {
            return text;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{} did not appear",
            path.display()
        );
        std::thread::yield_now();
    }
}
