use std::process::{Child, Command};

use super::*;

fn sleeper(marker: Option<&str>) -> Child {
    let mut command = Command::new("sleep");
    command.arg("600");
    if let Some(marker) = marker {
        command.env(MARKER_VARIABLE, marker);
    }
    command.spawn().unwrap()
}

fn record_of(child: &Child, marker: &str) -> Record {
    let tree = Tree::new(os::identify(child.id()).unwrap(), marker);
    Record::of("opencode", &tree, Some(4096)).unwrap()
}

/// Writes `change`d records of one sleeper that carries the marker `ours`, and says whether it was ended for them.
async fn is_ended_by(change: impl FnOnce(&mut Record)) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mut child = sleeper(Some("ours"));
    let mut record = record_of(&child, "ours");
    change(&mut record);
    record.write_blocking(folder.path()).unwrap();

    let ended = remove_leftovers(folder.path(), "opencode").await.unwrap();

    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "records are gone"
    );
    let is_gone = os::identify(child.id()).is_none();
    assert_eq!(ended, Some(usize::from(is_gone)));
    // Reaped already when it was ended.
    let _ = child.kill();
    let _ = child.wait();
    is_gone
}

#[tokio::test]
async fn a_leftover_is_ended_only_when_everything_matches() {
    assert!(is_ended_by(|_same| {}).await);
    assert!(!is_ended_by(|record| record.boot = "another-boot".to_owned()).await);
    assert!(!is_ended_by(|record| record.marker = "theirs".to_owned()).await);
    assert!(!is_ended_by(|record| record.started += 1).await);
    // The number was used again by an older or younger stranger.
    assert!(!is_ended_by(|record| record.started -= 1).await);
}

#[tokio::test]
async fn a_leftovers_own_children_go_with_it_and_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = sleeper(Some("ours.1"));
    let mut tool = sleeper(Some("ours.1"));
    let stranger = sleeper(Some("ours.2"));
    let bystander = sleeper(None);
    record_of(&child, "ours.1").write_blocking(folder.path()).unwrap();
    assert_eq!(leftovers(folder.path()).unwrap().len(), 2);
    // The child itself may be gone already.
    child.kill().unwrap();
    child.wait().unwrap();

    let ended = remove_leftovers(folder.path(), "opencode").await.unwrap();

    assert_eq!(ended, Some(1));
    assert!(os::identify(tool.id()).is_none());
    assert!(os::identify(stranger.id()).is_some());
    assert!(os::identify(bystander.id()).is_some());
    let _ = tool.wait();
    for mut other in [stranger, bystander] {
        other.kill().unwrap();
        other.wait().unwrap();
    }
}

#[tokio::test]
async fn rubbish_and_other_roles_are_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("child-opencode-1.json"), b"\xff{").unwrap();
    fs::write(folder.path().join("child-opencode-2.json"), vec![b' '; 10_000]).unwrap();
    fs::write(folder.path().join("child-cloudflared-3.json"), b"{}").unwrap();
    fs::write(folder.path().join("control.sock"), b"").unwrap();

    assert_eq!(
        remove_leftovers(folder.path(), "opencode").await.unwrap(),
        Some(0)
    );

    let mut left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["child-cloudflared-3.json", "control.sock"]);
    assert_eq!(
        remove_leftovers(&folder.path().join("missing"), "opencode")
            .await
            .unwrap(),
        None
    );
}
