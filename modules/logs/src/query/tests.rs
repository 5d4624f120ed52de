use std::collections::BTreeMap;

use super::*;

fn entry(at_s: u64, source: &str, level: Level, text: &str) -> Entry {
    Entry {
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_261_600 + at_s),
        level,
        source: source.to_owned(),
        target: String::new(),
        text: text.to_owned(),
        fields: BTreeMap::new(),
    }
}

fn write(folder: &Path, number: u64, entries: &[Entry]) {
    let lines: String = entries
        .iter()
        .map(|entry| serde_json::to_string(entry).unwrap() + "\n")
        .collect();
    std::fs::write(path(folder, &entries[0].source, number), lines).unwrap();
}

fn texts(entries: impl IntoIterator<Item = Entry>) -> Vec<String> {
    entries.into_iter().map(|entry| entry.text).collect()
}

fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        1,
        &[
            entry(1, "agent", Level::Info, "one"),
            entry(3, "agent", Level::Error, "three"),
        ],
    );
    write(folder.path(), 0, &[entry(5, "agent", Level::Debug, "five")]);
    write(
        folder.path(),
        0,
        &[
            entry(2, "opencode", Level::Info, "two"),
            entry(4, "opencode", Level::Warn, "four"),
        ],
    );
    folder
}

#[test]
fn rotated_files_of_all_sources_are_one_log() {
    let folder = filled();

    let all = read(folder.path(), &Query::default()).unwrap();

    assert_eq!(texts(all), ["one", "two", "three", "four", "five"]);
}

#[test]
fn the_last_lines_are_the_newest_of_all_sources() {
    let folder = filled();

    assert_eq!(
        texts(last(folder.path(), &Query::default(), 3).unwrap()),
        ["three", "four", "five"]
    );
    assert_eq!(
        texts(last(folder.path(), &Query::default(), 100).unwrap()).len(),
        5
    );
    assert!(
        last(&folder.path().join("missing"), &Query::default(), 3)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn filters_narrow_what_is_read() {
    let folder = filled();
    let check = |query: Query, expected: &[&str]| {
        assert_eq!(texts(read(folder.path(), &query).unwrap()), expected);
    };

    check(
        Query {
            source: Some("opencode".to_owned()),
            ..Query::default()
        },
        &["two", "four"],
    );
    check(
        Query {
            level: Some(Level::Warn),
            ..Query::default()
        },
        &["three", "four"],
    );
    check(
        Query {
            pattern: Some(pattern("^F(OUR|IVE)$").unwrap()),
            ..Query::default()
        },
        &["four", "five"],
    );
    check(
        Query {
            since: Some(entry(4, "", Level::Info, "").at),
            ..Query::default()
        },
        &["four", "five"],
    );
}

#[test]
fn a_cut_line_is_passed_over() {
    let folder = filled();
    let path = path(folder.path(), "agent", 0);
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.insert_str(0, "{\"t\":\"2026-01-01T1\n\u{fffd}\n");
    std::fs::write(&path, text).unwrap();

    assert_eq!(texts(read(folder.path(), &Query::default()).unwrap()).len(), 5);
}

#[test]
fn times_are_lengths_or_dates() {
    let now = entry(0, "", Level::Info, "").at;
    let check = |text: &str, back_s: u64| {
        assert_eq!(
            since(text, now).unwrap(),
            now - Duration::from_secs(back_s),
            "{text}"
        );
    };

    check("45s", 45);
    check("10m", 600);
    check("2h", 7200);
    check("3d", 3 * 86_400);
    check("2026-01-01T09:59:00Z", 60);
    for wrong in ["", "yesterday", "5", "5w", "-3m", "99999999999999999999d"] {
        assert!(since(wrong, now).is_err(), "{wrong}");
    }
}

#[test]
fn a_bad_pattern_is_refused_with_its_reason() {
    let error = pattern("a(").unwrap_err().to_string();

    assert!(
        error.starts_with("`a(` is not a valid regular expression:"),
        "{error}"
    );
    assert!(!error.contains('\n'));
}
