//! Who may stand on whom. A new edge is a decision of its own: change the table in a commit that says why.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// Our crates and the crates of ours each may depend on. The picture of it is in `modules/README.md`.
const EDGES: &[(&str, &[&str])] = &[
    ("autostart", &["kit"]),
    ("bench", &["fakes"]),
    ("chat", &["kit", "opencode", "store", "web"]),
    ("dashboard", &["kit", "store", "web"]),
    ("fakes", &[]),
    ("fuzz", &["gateway", "kit", "logs"]),
    ("gateway", &["kit", "store", "web"]),
    ("https", &[]),
    ("kit", &[]),
    ("logs", &["kit", "store", "web"]),
    ("notices", &["https", "kit", "store", "web"]),
    ("onboarding", &["kit", "store", "web"]),
    (
        "opencode-nexus",
        &[
            "autostart",
            "chat",
            "dashboard",
            "gateway",
            "https",
            "kit",
            "logs",
            "notices",
            "onboarding",
            "opencode",
            "os",
            "store",
            "supervisor",
            "tunnel",
            "web",
        ],
    ),
    ("opencode", &["kit", "os", "store", "supervisor"]),
    ("os", &[]),
    ("store", &[]),
    ("supervisor", &["os"]),
    ("tunnel", &["https", "kit", "supervisor", "web"]),
    ("web", &["kit"]),
    ("window", &["kit"]),
];

/// Crates that need a desktop or a web engine, and the only crates of ours that may name them.
const DESKTOP: &[(&str, &[&str])] = &[
    ("gtk", &["window"]),
    ("keyring", &["opencode-nexus"]),
    ("keyring-core", &["opencode-nexus"]),
    ("notify-rust", &["opencode-nexus"]),
    ("tao", &["opencode-nexus", "window"]),
    ("tray-icon", &["opencode-nexus"]),
    ("webkit2gtk", &["window"]),
    ("wry", &["window"]),
    ("zbus", &["opencode-nexus"]),
    ("zbus-secret-service-keyring-store", &["opencode-nexus"]),
];

#[test]
fn crates_depend_on_each_other_as_drawn() {
    let ours: BTreeSet<String> = packages().iter().map(name).collect();
    let drawn: BTreeMap<&str, BTreeSet<&str>> = EDGES
        .iter()
        .map(|(from, to)| (*from, to.iter().copied().collect()))
        .collect();

    for package in packages() {
        let from = name(&package);
        let allowed = drawn
            .get(from.as_str())
            .unwrap_or_else(|| panic!("{from} is not in the table of edges"));
        let taken: BTreeSet<String> = dependencies(&package)
            .into_iter()
            .filter(|dependency| dependency.kind != "dev" && ours.contains(&dependency.name))
            .map(|dependency| dependency.name)
            .collect();
        let undrawn: Vec<&String> = taken.iter().filter(|to| !allowed.contains(to.as_str())).collect();
        assert!(undrawn.is_empty(), "{from} may not depend on {undrawn:?}");
    }
}

#[test]
fn the_table_of_edges_names_crates_that_exist() {
    let ours: BTreeSet<String> = packages().iter().map(name).collect();

    for (from, to) in EDGES {
        for named in [from].into_iter().chain(*to) {
            assert!(
                ours.contains(*named),
                "{named} is in the table and not in the workspace"
            );
        }
    }
}

#[test]
fn desktop_crates_stay_where_the_desktop_is() {
    for package in packages() {
        let from = name(&package);
        for dependency in dependencies(&package) {
            let Some((_, homes)) = DESKTOP.iter().find(|(desktop, _)| *desktop == dependency.name) else {
                continue;
            };
            assert!(
                homes.contains(&from.as_str()),
                "{from} may not use {}",
                dependency.name
            );
            assert!(
                !(from == "opencode-nexus" && dependency.name == "tao" && dependency.target.is_none()),
                "on Linux the agent runs without an event loop of the window system"
            );
        }
    }
}

#[test]
fn versions_live_in_the_workspace() {
    for package in packages() {
        let manifest = package["manifest_path"].as_str().unwrap();
        let text = std::fs::read_to_string(manifest).unwrap();
        let own_tables = text
            .split("\n[")
            .filter(|table| table.contains("dependencies]") && !table.starts_with("workspace"));
        for line in own_tables.flat_map(|table| table.lines().skip(1)) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line.starts_with('[') {
                continue;
            }
            assert!(line.contains("workspace = true"), "{manifest}: {line}");
        }
        assert!(
            text.contains("[lints]\nworkspace = true") || name(&package) == "os",
            "{manifest} does not take the workspace's lints"
        );
    }
}

struct Dependency {
    name: String,
    kind: String,
    target: Option<String>,
}

fn dependencies(package: &Value) -> Vec<Dependency> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    package["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|dependency| Dependency {
            name: text(&dependency["name"]).unwrap(),
            kind: text(&dependency["kind"]).unwrap_or_default(),
            target: text(&dependency["target"]),
        })
        .collect()
}

fn name(package: &Value) -> String {
    package["name"].as_str().unwrap().to_owned()
}

fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}
