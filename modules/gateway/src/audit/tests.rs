use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

fn heard(event: &str) -> Heard {
    let mut heard = Heard::lost(1, SystemTime::UNIX_EPOCH);
    heard.event = event.to_owned();
    heard
}

fn kept(count: usize) -> Store {
    let store = Store::in_memory().unwrap();
    table::migrate(&store).unwrap();
    let lines: Vec<Heard> = (0..count)
        .map(|number| heard(&format!("event-{number}")))
        .collect();
    store.write_blocking(|db| table::append(db, &lines)).unwrap();
    store
}

fn run(store: &Store, sql: &str) {
    store.write_blocking(|db| db.execute_batch(sql)).unwrap();
}

#[tokio::test]
async fn what_is_said_is_kept_whatever_the_level_of_the_log() {
    let store = Store::in_memory().unwrap();
    let (ears, waiting) = begin();
    let quiet = tracing_subscriber::fmt::layer()
        .with_writer(std::io::sink)
        .with_filter(tracing_subscriber::filter::LevelFilter::ERROR);
    let subscriber = tracing_subscriber::registry().with(quiet).with(ears);
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(target: TARGET, event = "login", source = %"198.51.100.7", left = 3_usize, kept = None::<&str>, "a login was attempted");
        tracing::info!(event = "login", "of another target");
        tracing::error!("something else");
    });

    waiting.record(store.clone()).unwrap().finish().await;

    let lines = newest(&store, None, 10).unwrap();
    assert_eq!(lines.len(), 1);
    let members = lines[0].members();
    assert_eq!(members["event"], "login");
    assert_eq!(members["source"], "198.51.100.7");
    assert_eq!(members["left"], 3);
    assert_eq!(members["text"], "a login was attempted");
    assert_eq!(members["seq"], 1);
    assert_eq!(members.get("kept"), None);
    assert!(members["at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn what_finds_no_room_is_counted() {
    let store = Store::in_memory().unwrap();
    let (ears, waiting) = begin();
    let subscriber = tracing_subscriber::registry().with(ears);
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..WAITING_MAX + 7 {
            tracing::info!(target: TARGET, event = "setting", "a setting was changed");
        }
    });

    waiting.record(store.clone()).unwrap().finish().await;

    let last = newest(&store, None, 1).unwrap()[0].members();
    assert_eq!(
        (&last["event"], &last["count"]),
        (&Value::from("lost"), &Value::from(7))
    );
    assert_eq!(verify(&store).unwrap().unwrap().lines, 1025);
}

#[test]
fn lines_that_nobody_touched_are_whole_and_go_on() {
    let store = kept(3);
    assert_eq!(verify(&store).unwrap(), Ok(Whole { lines: 3, former: 0 }));

    store
        .write_blocking(|db| table::append(db, &[heard("more")]))
        .unwrap();

    assert_eq!(verify(&store).unwrap(), Ok(Whole { lines: 4, former: 0 }));
    assert_eq!(
        verify(&Store::in_memory().unwrap()).unwrap(),
        Ok(Whole { lines: 0, former: 0 })
    );
}

/// Where somebody can put anything.
#[test]
fn a_line_that_is_no_object_is_shown_as_its_text() {
    let store = kept(2);

    for harm in ["5", "[]", "\"x\"", "nonsense", ""] {
        run(
            &store,
            &format!("UPDATE gateway_audit SET line = '{harm}' WHERE seq = 2"),
        );

        assert_eq!(verify(&store).unwrap(), Err(Broken::Changed(2)), "{harm}");
        let told = newest(&store, None, 1).unwrap()[0].told();
        assert_eq!((told.text.as_str(), told.others.len()), (harm, 0));
    }
}

#[test]
fn a_table_that_is_gone_was_not_always_so() {
    for table in ["gateway_audit", "gateway_audit_start"] {
        let store = kept(2);

        run(&store, &format!("DROP TABLE {table}"));

        assert_eq!(verify(&store).unwrap(), Err(Broken::Missing(1)), "{table}");
    }
}

#[test]
fn a_line_that_is_changed_moved_forged_or_taken_away_is_seen() {
    for (harm, expected) in [
        ("UPDATE gateway_audit SET line = replace(line, 'event-1', 'event-x') WHERE seq = 2", Broken::Changed(2)),
        ("UPDATE gateway_audit SET hash = upper(hash) WHERE seq = 2", Broken::Changed(2)),
        ("DELETE FROM gateway_audit WHERE seq = 1", Broken::Missing(1)),
        ("DELETE FROM gateway_audit WHERE seq = 2", Broken::Missing(2)),
        ("DELETE FROM gateway_audit WHERE seq >= 3", Broken::Missing(3)),
        ("DELETE FROM gateway_audit", Broken::Missing(1)),
        (
            "CREATE TEMP TABLE held AS SELECT line, hash FROM gateway_audit WHERE seq = 2;
             UPDATE gateway_audit SET (line, hash) = (SELECT line, hash FROM gateway_audit WHERE seq = 3) WHERE seq = 2;
             UPDATE gateway_audit SET (line, hash) = (SELECT line, hash FROM held) WHERE seq = 3",
            Broken::Changed(2),
        ),
        (
            "INSERT INTO gateway_audit_start SELECT seq, hash FROM gateway_audit WHERE seq = 2;
             DELETE FROM gateway_audit WHERE seq <= 2",
            Broken::Missing(1),
        ),
        (
            "INSERT INTO gateway_audit (line, hash) VALUES ('{\"seq\":5}', '00')",
            Broken::Changed(5),
        ),
    ] {
        let store = kept(4);

        run(&store, harm);

        assert_eq!(verify(&store).unwrap(), Err(expected.clone()), "{harm}");
        // What is done afterwards does not cover it up.
        store.write_blocking(|db| table::append(db, &[heard("more")])).unwrap();
        assert_eq!(verify(&store).unwrap(), Err(expected), "{harm}");
    }
}

#[test]
fn old_lines_make_room_and_the_rest_stays_whole() {
    let (lines, room) = (table::LINES_MAX, table::ROOM);
    let store = kept(usize::try_from(lines + 1).unwrap());

    store
        .write_blocking(|db| table::append(db, &[heard("more")]))
        .unwrap();

    let whole = Whole {
        lines: lines + 2 - room,
        former: room,
    };
    assert_eq!(verify(&store).unwrap(), Ok(whole));
    run(
        &store,
        &format!("DELETE FROM gateway_audit WHERE seq = {}", room + 1),
    );
    assert_eq!(verify(&store).unwrap(), Err(Broken::Missing(room + 1)));
}

#[tokio::test(start_paused = true)]
async fn a_database_that_fails_for_a_while_loses_nothing() {
    let store = Store::in_memory().unwrap();
    let (ears, waiting) = begin();
    let subscriber = tracing_subscriber::registry().with(ears);
    let recorder = waiting.record(store.clone()).unwrap();
    run(&store, "ALTER TABLE gateway_audit RENAME TO away");
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(target: TARGET, event = "setting", "a setting was changed");
    });
    let stop = kit::CancellationToken::new();
    let recording = tokio::spawn(recorder.run(stop.clone()));
    let count = |store: &Store| {
        store.read_blocking(|db| {
            db.query_row("SELECT count(*) FROM gateway_audit", [], |row| {
                row.get::<_, i64>(0)
            })
        })
    };
    tokio::time::sleep(RETRY / 2).await;
    assert!(count(&store).is_err());

    run(&store, "ALTER TABLE away RENAME TO gateway_audit");
    while count(&store).unwrap() == 0 {
        tokio::time::sleep(RETRY).await;
    }

    assert_eq!(verify(&store).unwrap().unwrap().lines, 1);
    stop.cancel();
    recording.await.unwrap();
}
