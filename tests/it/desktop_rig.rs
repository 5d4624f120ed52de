//! The desktop session of the stories is what it claims to be.

use crate::harness::{Desktop, PATIENCE, Part, until};

#[test]
fn a_complete_session_has_a_tray_notifications_and_an_open_keyring() {
    let mut desktop = Desktop::complete();

    assert!(desktop.has_name("org.kde.StatusNotifierWatcher"));
    desktop.ask("notify-send", &["Good morning", "from a story"]);
    until("the notification to be shown", PATIENCE, || {
        let shown = desktop.ask("dunstctl", &["count", "displayed"]);
        (shown == "1").then_some(())
    });
    let stored = desktop
        .command("sh")
        .args([
            "-c",
            "printf open-sesame | secret-tool store --label=story story one && secret-tool lookup story one",
        ])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&stored.stdout),
        "open-sesame",
        "{stored:?}"
    );

    desktop.remove(Part::Panel);
    until("the tray to be gone", PATIENCE, || {
        (!desktop.has_name("org.kde.StatusNotifierWatcher")).then_some(())
    });
}

#[test]
fn a_bare_session_has_neither() {
    let desktop = Desktop::bare();

    for name in [
        "org.kde.StatusNotifierWatcher",
        "org.freedesktop.Notifications",
        "org.freedesktop.secrets",
    ] {
        assert!(!desktop.has_name(name), "{name}");
    }
}
