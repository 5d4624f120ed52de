//! What review should not have to look for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

/// Longest file, its tests not counted.
const LINES_MAX: usize = 400;
/// A reason is a sentence.
const REASON_CHARS_MIN: usize = 20;
/// The top level is fixed: what is new belongs into one of these.
const TOP: &[&str] = &[
    ".ci",
    ".clippy.toml",
    ".deny.toml",
    ".gitignore",
    ".rustfmt.toml",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "icons",
    "installers",
    "modules",
    "src",
    "tests",
];

#[test]
fn the_top_level_holds_what_it_should() {
    let mut found: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| ![".git", "target"].contains(&name.as_str()))
        .collect();
    found.sort();

    assert_eq!(found, TOP);
}

#[test]
fn files_are_short() {
    check(&["rs", "js", "css", "sh"], |file| {
        let lines = match file.path.extension().and_then(|extension| extension.to_str()) {
            Some("rs")
                if file.name.ends_with("tests.rs") || format!("/{}", file.name).contains("/tests/") =>
            {
                0
            }
            Some("rs") => without_tests(&file.text).lines().count(),
            _ if file.name.ends_with(".test.js") => 0,
            _ => file.text.lines().count(),
        };
        (lines > LINES_MAX)
            .then(|| format!("has {lines} lines, {LINES_MAX} are the limit"))
            .into_iter()
            .collect()
    });
}

#[test]
fn pages_hold_no_inline_script_and_no_inline_style() {
    let attribute = Regex::new(r#"\s(style|on[a-z]+)=("|\(|\{|\[)"#).unwrap();
    let element = Regex::new(r"\b(style|script)\s*(\{|\()").unwrap();
    check(&["rs"], |file| {
        if !file.text.contains("html!") {
            return Vec::new();
        }
        numbered(without_tests(&file.text))
            .filter(|(_, line)| !is_comment(line))
            .filter(|(_, line)| attribute.is_match(line) || element.is_match(line) && !line.contains("fn "))
            .map(|(number, line)| format!("line {number}: {}", line.trim()))
            .collect()
    });
}

#[test]
fn a_todo_has_a_reason() {
    let mark = Regex::new(r"\b(TODO|FIXME|XXX|HACK)\b:?\s*(.*)").unwrap();
    check(&["rs", "js", "css", "sh", "toml"], |file| {
        if file.name == "tests/it/tidy.rs" {
            return Vec::new();
        }
        numbered(&file.text)
            .filter_map(|(number, line)| Some((number, mark.captures(line)?)))
            .filter(|(_, found)| &found[1] != "TODO" || found[2].chars().count() < REASON_CHARS_MIN)
            .map(|(number, found)| format!("line {number}: {}", &found[0]))
            .collect()
    });
}

#[test]
fn only_one_crate_is_unsafe() {
    let word = Regex::new(r"\bunsafe\s*(\{|fn|impl|extern)").unwrap();
    check(&["rs"], |file| {
        if file.name.starts_with("modules/os/") || file.name == "tests/it/tidy.rs" {
            return Vec::new();
        }
        numbered(&file.text)
            .filter(|(_, line)| !is_comment(line) && word.is_match(line))
            .map(|(number, _)| format!("line {number}: belongs into modules/os"))
            .collect()
    });
}

/// Sources speak of the product, with the reason itself instead of a number in somebody's list.
#[test]
fn sources_speak_of_the_product_alone() {
    let number = Regex::new(r"\b((AU|SE|CS|PX|HX|RX|SC|FI|LG|FZ)\d{2}|[PF]0\d|[PF][2-4]\d)\b").unwrap();
    let folder = ["/work", "/shared"].concat();
    let places = [
        folder.as_str(),
        "decisions.md",
        "architecture.md",
        "spec.md",
        "issue 2",
    ];
    check(&["rs", "js", "css", "sh", "toml", "md", "html", "svg"], |file| {
        if file.name == "tests/it/tidy.rs" {
            return Vec::new();
        }
        numbered(&file.text)
            .filter(|(_, line)| number.is_match(line) || places.iter().any(|place| line.contains(place)))
            .map(|(number, line)| format!("line {number}: {}", line.trim()))
            .collect()
    });
}

#[test]
fn documents_name_files_that_exist() {
    let named = Regex::new(
        r"(?:`|\()((?:\.ci|icons|installers|modules|src|tests)/[A-Za-z0-9_./-]*|[A-Za-z-]+\.(?:toml|md))(?:`|\))",
    )
    .unwrap();
    check(&["md"], |file| {
        let folder = file.path.parent().unwrap();
        numbered(&file.text)
            .flat_map(|(number, line)| {
                named
                    .captures_iter(line)
                    .map(move |found| (number, found[1].to_owned()))
            })
            // Files of the running program, not of the sources.
            .filter(|(_, path)| path != "settings.toml")
            .filter(|(_, path)| !root().join(path).exists() && !folder.join(path).exists())
            .map(|(number, path)| format!("line {number}: there is no {path}"))
            .collect()
    });
}

#[test]
fn every_setting_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    let settings = kit::SettingsFile::open(&path, std::time::SystemTime::now());
    opencode_nexus::modules::sections(&settings);
    let entries = settings.list();

    assert!(!entries.is_empty());
    for entry in entries {
        let key = format!("{}.{}", entry.section, entry.field.key);
        assert!(!entry.field.label.is_empty(), "{key} has no label");
        assert!(
            entry.field.help.chars().count() >= REASON_CHARS_MIN && entry.field.help.ends_with('.'),
            "{key} needs a sentence of help: {:?}",
            entry.field.help
        );
    }
}

#[test]
fn every_default_survives_the_settings_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    let settings = kit::SettingsFile::open(&path, std::time::SystemTime::now());
    opencode_nexus::modules::sections(&settings);
    let defaults = settings.list();

    for entry in &defaults {
        let key = format!("{}.{}", entry.section, entry.field.key);
        settings
            .set(&key, &entry.value)
            .unwrap_or_else(|error| panic!("{key} refuses its default {}: {error}", entry.value));
    }
    let again = kit::SettingsFile::open(&path, std::time::SystemTime::now());
    opencode_nexus::modules::sections(&again);

    assert_eq!(again.problems(), Vec::new());
    let after: Vec<String> = again.list().into_iter().map(|entry| entry.value).collect();
    let before: Vec<String> = defaults.into_iter().map(|entry| entry.value).collect();
    assert_eq!(after, before);
}

struct File {
    path: PathBuf,
    /// Below the root, e.g. `"src/main.rs"`.
    name: String,
    text: String,
}

/// Looks at every file with one of these endings and fails with all complaints at once.
#[track_caller]
fn check(endings: &[&str], look: impl Fn(&File) -> Vec<String>) {
    let mut paths = Vec::new();
    walk(root(), &mut paths);
    let complaints: Vec<String> = paths
        .into_iter()
        .filter(|path| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            ending.is_some_and(|ending| endings.contains(&ending))
        })
        .flat_map(|path| {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            let text = fs::read_to_string(&path).unwrap();
            let file = File { path, name, text };
            look(&file)
                .into_iter()
                .map(move |complaint| format!("{}: {complaint}", file.name))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if entry.file_type().unwrap().is_dir() {
            if ![".git", "target", "node_modules"].contains(&name.to_string_lossy().as_ref()) {
                walk(&entry.path(), found);
            }
        } else {
            found.push(entry.path());
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file up to the tests inside it.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {")
        .map_or(text, |at| &text[..at])
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}
