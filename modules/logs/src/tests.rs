//! The whole way: an event is said, a file holds it.

use std::time::{Duration, Instant, SystemTime};

use tracing_subscriber::layer::SubscriberExt;

use super::*;

fn all(folder: &std::path::Path) -> Vec<Entry> {
    read(folder, &Query::default()).unwrap().collect()
}

#[test]
fn events_and_output_reach_their_files_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let (capture, layer) = begin(folder.path(), &LogSettings::default()).unwrap();

    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!(target: "gateway::guard", port = 41234, password = "canary-1", "serving with ticket=canary-2");
        tracing::debug!("below the level");
        capture.sink().line(
            "opencode",
            Stream::Err,
            "ERROR Authorization: Basic Y2FuYXJ5LTM=\x1b[0m",
        );
    });
    capture.close();

    let lines = all(folder.path());
    let raw = std::fs::read_to_string(folder.path().join("agent.jsonl")).unwrap()
        + &std::fs::read_to_string(folder.path().join("opencode.jsonl")).unwrap();
    assert!(!raw.contains("canary") && !raw.contains("Y2FuYXJ5"), "{raw}");
    let agent = lines.iter().find(|line| line.source == "agent").unwrap();
    assert_eq!(agent.text, "serving with ticket=[hidden]");
    assert_eq!(agent.fields["port"], "41234");
    assert_eq!(agent.fields["password"], "[hidden]");
    let child = lines.iter().find(|line| line.source == "opencode").unwrap();
    assert_eq!((child.level, child.target.as_str()), (Level::Error, "stderr"));
    assert_eq!(lines.len(), 2);
    assert_eq!(capture.tail("gateway", 3), ["serving with ticket=[hidden]"]);
    assert_eq!(capture.tail("opencode", 3), ["ERROR Authorization: [hidden]"]);
}

#[test]
fn a_secret_that_was_named_reaches_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let (capture, layer) = begin(folder.path(), &LogSettings::default()).unwrap();
    capture.hide(kit::Secret::new("canary-4711".to_owned()));

    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!(said = "canary-4711", "told canary-4711");
        capture
            .sink()
            .line("opencode", Stream::Out, "got canary-\x1b[1m4711");
    });
    capture.close();

    let lines = all(folder.path());
    assert_eq!(lines.len(), 2);
    assert!(
        lines.iter().all(|line| line.text.ends_with(" [hidden]")),
        "{lines:?}"
    );
    let agent = lines.iter().find(|line| line.source == "agent").unwrap();
    assert_eq!(agent.fields["said"], "[hidden]");
}

#[test]
fn the_level_changes_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (capture, layer) = begin(folder.path(), &LogSettings::default()).unwrap();

    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::debug!("before");
        capture.apply(&LogSettings {
            level: Level::Trace,
            ..LogSettings::default()
        });
        tracing::debug!("after");
        tracing::debug!(target: "hyper::proto", "chatter");
    });
    capture.close();

    let texts: Vec<_> = all(folder.path()).into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["after"]);
}

/// A child that writes without end costs bounded disk and memory, and nobody waits for it.
#[test]
fn a_flood_is_cut_to_the_limit_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (capture, _layer) = begin(folder.path(), &LogSettings::default()).unwrap();
    let sink = capture.sink();
    let line = "x".repeat(900);

    // Ten times what may wait, and more than may be written in the time it takes.
    let said = 60_000_u64;
    let began = Instant::now();
    for _ in 0..said {
        sink.line("opencode", Stream::Out, &line);
    }
    let took = began.elapsed();
    capture.close();
    let seconds = began.elapsed().as_secs() + 2;

    let bytes: u64 = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    // The marks around each line come on top of what is counted.
    assert!(
        bytes <= seconds * BYTES_PER_S_MAX * 6 / 5,
        "{bytes} in {seconds} s"
    );
    assert!(took < Duration::from_secs(5), "{took:?}");
    let lines = all(folder.path());
    let left_out: u64 = lines
        .iter()
        .filter_map(|line| line.fields.get("lines")?.parse::<u64>().ok())
        .sum();
    let kept = lines.iter().filter(|entry| entry.text == line).count() as u64;
    assert!(left_out > 0 && kept > 0, "{left_out} and {kept}");
    assert_eq!(left_out + kept, said);
}

#[test]
fn a_place_that_cannot_be_written_is_told_and_used_again_later() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("logs");
    let (capture, _layer) = begin(&missing, &LogSettings::default()).unwrap();
    let trouble = capture.trouble();

    capture.sink().line("opencode", Stream::Out, "lost");
    let deadline = Instant::now() + Duration::from_secs(5);
    while trouble.borrow().is_none() {
        assert!(Instant::now() < deadline, "nothing was told");
        std::thread::yield_now();
    }
    std::fs::create_dir(&missing).unwrap();
    capture.close();

    let lines = all(&missing);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].fields["lines"], "1");
    assert!(lines[0].at <= SystemTime::now());
}

#[test]
fn the_card_says_where_the_files_are_and_how_much_they_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let place = path.display().to_string();
    let fact = |name, value: &str| Fact(name, value.to_owned());
    assert_eq!(
        facts(path),
        [
            fact("Folder", &place),
            fact("Size", "below 0.1 MiB"),
            fact("Files", "0")
        ]
    );

    std::fs::write(path.join("agent.jsonl"), vec![b'x'; 1_500_000]).unwrap();
    std::fs::write(path.join("opencode.1.jsonl"), b"x").unwrap();
    std::fs::write(path.join("notes.txt"), b"x").unwrap();

    assert_eq!(
        facts(path),
        [
            fact("Folder", &place),
            fact("Size", "1.4 MiB"),
            fact("Files", "2")
        ]
    );
}
