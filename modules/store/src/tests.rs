use super::*;

const STEPS: &[&str] = &["CREATE TABLE notes_line (text TEXT NOT NULL)"];

fn add(store: &Store, text: &'static str) {
    store
        .write_blocking(|db| db.execute("INSERT INTO notes_line (text) VALUES (?1)", [text]))
        .unwrap();
}

fn lines(store: &Store) -> Vec<String> {
    let all = |db: &Connection| {
        let mut statement = db.prepare("SELECT text FROM notes_line ORDER BY rowid")?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    store.read_blocking(all).unwrap()
}

fn open(path: &Path) -> (Store, Option<Quarantined>) {
    let (store, quarantined) = Store::open(path, SystemTime::UNIX_EPOCH).unwrap();
    store.migrate("notes", STEPS).unwrap();
    (store, quarantined)
}

#[test]
fn what_was_written_is_there_after_a_restart_and_steps_run_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let (store, _) = open(&path);
    add(&store, "one");
    drop(store);

    let (store, quarantined) = open(&path);
    let more = [STEPS[0], "ALTER TABLE notes_line ADD COLUMN at INTEGER"];
    store.migrate("notes", &more).unwrap();
    store.migrate("notes", &more).unwrap();

    assert_eq!((lines(&store), quarantined), (vec!["one".to_owned()], None));
}

#[test]
fn a_failed_change_leaves_nothing_behind() {
    let store = Store::in_memory().unwrap();
    store.migrate("notes", STEPS).unwrap();

    let outcome = store.write_blocking(|db| {
        db.execute("INSERT INTO notes_line (text) VALUES ('half')", [])?;
        db.execute("INSERT INTO nowhere VALUES (1)", [])
    });

    assert!(matches!(outcome, Err(StoreError::Sql(_))));
    assert_eq!(lines(&store), Vec::<String>::new());
}

#[test]
fn a_step_that_fails_is_tried_again_next_time() {
    let store = Store::in_memory().unwrap();

    store
        .migrate("notes", &["CREATE TABLE notes_line (", "SELECT 1"])
        .unwrap_err();
    store.migrate("notes", STEPS).unwrap();

    assert_eq!(lines(&store), Vec::<String>::new());
}

#[test]
fn any_damage_ends_in_a_fresh_database_and_the_old_file_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.db");
    let (store, _) = open(&whole);
    for _ in 0..2000 {
        add(
            &store,
            "a line that fills some pages of the file with recognisable text",
        );
    }
    store
        .read_blocking(|db| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
        .unwrap();
    drop(store);
    let bytes = std::fs::read(&whole).unwrap();

    // Cut after every tenth part, and noise over the header and over a page in the middle.
    let mut broken: Vec<Vec<u8>> = (1..10)
        .map(|tenth| bytes[..bytes.len() * tenth / 10].to_vec())
        .collect();
    broken.push(vec![0xA5; 4096]);
    let mut middle = bytes.clone();
    middle[8192..12288].fill(0xA5);
    broken.push(middle);
    for (number, content) in broken.iter().enumerate() {
        let path = folder.path().join(format!("{number}.db"));
        std::fs::write(&path, content).unwrap();

        let (store, quarantined) = open(&path);

        let kept = quarantined
            .unwrap_or_else(|| panic!("damage {number} went unnoticed"))
            .kept;
        assert_eq!(
            kept,
            folder
                .path()
                .join(format!("{number}.db.corrupt-19700101T000000Z"))
        );
        assert_eq!(std::fs::read(kept).unwrap().len(), content.len());
        assert_eq!(lines(&store), Vec::<String>::new());
    }
}

#[cfg(unix)]
#[test]
fn the_file_and_its_companions_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    std::fs::write(&path, b"").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();

    let (store, _) = open(&path);
    add(&store, "one");

    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_the_file_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target");
    std::fs::write(&target, b"mine").unwrap();
    let path = folder.path().join("state.db");
    std::os::unix::fs::symlink(&target, &path).unwrap();

    let outcome = Store::open(&path, SystemTime::UNIX_EPOCH);

    assert!(matches!(outcome, Err(StoreError::NotAFile(_))));
    assert_eq!(std::fs::read(&target).unwrap(), b"mine");
}

#[tokio::test]
async fn reading_and_writing_do_not_hold_up_the_async_threads() {
    let store = Store::in_memory().unwrap();
    store.migrate("notes", STEPS).unwrap();

    store
        .write(|db| db.execute("INSERT INTO notes_line (text) VALUES ('one')", []))
        .await
        .unwrap();
    let count: i64 = store
        .read(|db| db.query_row("SELECT count(*) FROM notes_line", [], |row| row.get(0)))
        .await
        .unwrap();

    assert_eq!(count, 1);
}
