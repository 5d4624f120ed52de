use serde::{Deserialize, Serialize};

use super::*;
use crate::settings::{Applies, Kind};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Server {
    path: String,
    port: u16,
    restart: Restart,
    env: BTreeMap<String, String>,
    by_name: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Restart {
    max_failures: u32,
}

impl Default for Restart {
    fn default() -> Self {
        Self { max_failures: 5 }
    }
}

const fn field(key: &'static str, kind: Kind) -> Field {
    Field {
        key,
        label: "",
        help: "",
        kind,
        applies: Applies::Now,
    }
}

impl Section for Server {
    const ID: &'static str = "server";
    const FIELDS: &'static [Field] = &[
        field("path", Kind::Path),
        field(
            "port",
            Kind::Number {
                min: 0,
                max: 65_535,
                unit: "",
            },
        ),
        field(
            "restart.max_failures",
            Kind::Number {
                min: 1,
                max: 1000,
                unit: "",
            },
        ),
        field("env", Kind::Table),
        field(
            "by_name",
            Kind::Tables(&[field("mode", Kind::Choice(&["one", "two"]))]),
        ),
    ];
}

fn open(text: &str) -> (tempfile::TempDir, SettingsFile) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, text).unwrap();
    let file = SettingsFile::open(&path, SystemTime::UNIX_EPOCH);
    (folder, file)
}

#[test]
fn a_change_keeps_comments_and_unknown_keys() {
    let (_folder, file) = open("# mine\n[server]\nport = 1 # why\nfuture = true\n[other]\nx = 1\n");
    let server = file.section::<Server>();

    file.set("server.port", "4097").unwrap();
    file.set("server.restart.max_failures", "7").unwrap();

    assert_eq!((server.get().port, server.get().restart.max_failures), (4097, 7));
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(
        text,
        "# mine\n[server]\nport = 4097 # why\nfuture = true\n\n[server.restart]\nmax_failures = 7\n[other]\nx = 1\n"
    );
}

#[test]
fn what_was_changed_by_hand_meanwhile_is_taken_up_and_kept() {
    let (folder, file) = open("[server]\nport = 4100\n");
    let setting = file.section::<Server>();
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, "# mine\n[server]\nport = 4200\n[other]\nkept = true\n").unwrap();

    assert_eq!(file.get("server.port").unwrap(), "4200");
    assert_eq!(setting.get().port, 4200);
    file.set("server.path", "/here").unwrap();

    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("# mine") && text.contains("kept = true") && text.contains("port = 4200"),
        "{text}"
    );
}

#[test]
fn a_file_that_was_broken_by_hand_is_never_written_over() {
    let (folder, file) = open("[server]\nport = 4100\n");
    file.section::<Server>();
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, "[server\nport = 4200\n").unwrap();

    let refused = file.set("server.port", "4300");

    assert!(matches!(refused, Err(SettingsError::Damaged(_))), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "[server\nport = 4200\n");
    assert_eq!(file.get("server.port").unwrap(), "4100");
}

#[test]
fn a_value_that_does_not_fit_changes_nothing() {
    let (_folder, file) = open("[server]\nport = 1\n");
    let server = file.section::<Server>();

    let error = file.set("server.port", "70000").unwrap_err();

    assert_eq!(
        error.to_string(),
        "`server.port` must be a whole number from 0 to 65535"
    );
    assert_eq!(
        file.set("server.color", "1")
            .unwrap_err()
            .to_string()
            .split(':')
            .next()
            .unwrap(),
        "there is no setting `server.color`"
    );
    assert_eq!(server.get().port, 1);
    assert_eq!(
        std::fs::read_to_string(file.path()).unwrap(),
        "[server]\nport = 1\n"
    );
}

#[test]
fn a_bare_word_is_text_and_so_is_a_number_where_text_is_asked_for() {
    let (_folder, file) = open("");
    let server = file.section::<Server>();

    file.set("server.path", "/opt/my app/opencode").unwrap();
    file.set("server.env.LEVEL", "3").unwrap();

    assert_eq!(server.get().path, "/opt/my app/opencode");
    assert_eq!(
        server.get().env,
        BTreeMap::from([("LEVEL".to_owned(), "3".to_owned())])
    );
    assert_eq!(file.get("server.path").unwrap(), "\"/opt/my app/opencode\"");
}

#[test]
fn a_broken_file_is_kept_aside_and_defaults_are_used() {
    let (folder, file) = open("[server\nport = 1");

    assert_eq!(file.section::<Server>().get(), Server::default());
    let kept = folder.path().join("settings.toml.corrupt-19700101T000000Z");
    assert_eq!(
        file.problems(),
        [Problem::Corrupt {
            fault: Fault {
                line: 1,
                column: 8,
                reason: "unclosed table, expected `]`".to_owned()
            },
            kept: Some(kept.clone())
        }]
    );
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "[server\nport = 1");
}

#[test]
fn a_bad_value_in_the_file_puts_its_section_on_defaults_and_is_named() {
    let (_folder, file) = open("[server]\nport = \"x\"\nrestart.max_failures = 9\n");

    assert_eq!(file.section::<Server>().get(), Server::default());
    assert_eq!(
        file.problems(),
        [Problem::BadSection {
            key: "server.port".to_owned(),
            expectation: "must be a whole number from 0 to 65535".to_owned()
        }]
    );
}

#[tokio::test]
async fn watchers_see_a_change_and_only_a_change() {
    let (_folder, file) = open("");
    let mut server = file.section::<Server>();

    file.set("server.port", "0").unwrap();
    file.set("server.port", "9").unwrap();

    assert_eq!(server.changed().await.port, 9);
}

#[test]
fn every_field_of_a_section_has_a_default_to_show() {
    let (_folder, file) = open("");
    let _server = file.section::<Server>();

    let values: Vec<_> = file.list().into_iter().map(|entry| entry.value).collect();

    assert_eq!(values, ["\"\"", "0", "5", "{}", "{}"]);
}

#[test]
fn a_value_of_a_table_by_name_is_set_and_taken_away_alone() {
    let (_folder, file) = open("[server.by_name.work]\nmode = \"one\"\n");
    file.section::<Server>();

    file.set("server.by_name.home.mode", "two").unwrap();
    assert!(matches!(
        file.set("server.by_name.home.mode", "three"),
        Err(SettingsError::BadValue { .. })
    ));
    assert!(matches!(
        file.set("server.by_name.home.other", "x"),
        Err(SettingsError::UnknownKey(_))
    ));
    assert!(file.set("server.by_name.home", "x").is_err());
    assert!(
        file.set("server.by_name", "{ away = { mode = \"three\" } }")
            .is_err()
    );
    file.reset("server.by_name.work").unwrap();

    let kept = file.get("server.by_name").unwrap();
    assert!(kept.contains("home") && !kept.contains("work"), "{kept}");
}
