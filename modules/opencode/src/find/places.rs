//! Where opencode may be.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use crate::environment::Variables;

/// The program's file name.
const NAME: &str = if cfg!(windows) { "opencode.exe" } else { "opencode" };

/// Every file that may be opencode, best first, without doubles: the login shell's PATH, then the homes of the ways to
/// install it. `list` gives what is in a folder.
pub(crate) fn places(variables: &Variables, list: &dyn Fn(&Path) -> Vec<PathBuf>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let text = |name: &str| variables.get(OsStr::new(name)).filter(|value| !value.is_empty());
    let path: OsString = text("PATH").cloned().unwrap_or_default();
    folders.extend(std::env::split_paths(&path).filter(|folder| folder.is_absolute()));
    let home = text("HOME").or_else(|| text("USERPROFILE")).map(PathBuf::from);
    let or_home = |name: &str, below: &str| {
        text(name)
            .map(PathBuf::from)
            .or_else(|| home.as_ref().map(|home| home.join(below)))
    };
    if let Some(home) = &home {
        folders
            .extend([".opencode/bin", ".local/bin", "bin", ".npm-global/bin"].map(|below| home.join(below)));
        folders.extend(
            [
                ".volta/bin",
                ".asdf/shims",
                ".local/share/mise/shims",
                ".nix-profile/bin",
            ]
            .map(|below| home.join(below)),
        );
    }
    folders.extend(or_home("BUN_INSTALL", ".bun").map(|bun| bun.join("bin")));
    folders.extend(text("PNPM_HOME").map(PathBuf::from));
    if let Some(home) = &home {
        folders.extend([".local/share/pnpm", "Library/pnpm"].map(|below| home.join(below)));
    }
    // Newer versions of Node.js come later in the list and are to be preferred.
    if let Some(nvm) = or_home("NVM_DIR", ".nvm") {
        let versions = list(&nvm.join("versions/node"));
        folders.extend(versions.into_iter().rev().map(|version| version.join("bin")));
    }
    if let Some(fnm) = or_home("FNM_DIR", ".local/share/fnm") {
        let versions = list(&fnm.join("node-versions"));
        folders.extend(
            versions
                .into_iter()
                .rev()
                .map(|version| version.join("installation/bin")),
        );
    }
    folders.extend(systemwide().iter().map(PathBuf::from));
    let mut files: Vec<PathBuf> = folders.iter().map(|folder| folder.join(NAME)).collect();
    if cfg!(windows) {
        files.extend(windows_places(variables, home.as_deref()));
    }
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| seen.insert(file.clone()));
    files
}

fn systemwide() -> &'static [&'static str] {
    if cfg!(target_os = "macos") {
        &[
            "/opt/homebrew/bin",
            "/usr/local/bin",
            "/run/current-system/sw/bin",
            "/usr/bin",
        ]
    } else if cfg!(windows) {
        &[]
    } else {
        &[
            "/usr/local/bin",
            "/usr/bin",
            "/home/linuxbrew/.linuxbrew/bin",
            "/run/current-system/sw/bin",
            "/snap/bin",
        ]
    }
}

/// npm's shim is a command file; scoop's and chocolatey's start the program as a child. The programs behind them come
/// first.
fn windows_places(variables: &Variables, home: Option<&Path>) -> Vec<PathBuf> {
    let folder = |name: &str| variables.get(OsStr::new(name)).map(PathBuf::from);
    let mut files = Vec::new();
    files.extend(
        folder("APPDATA").map(|roaming| roaming.join(r"npm\node_modules\opencode-ai\bin\opencode.exe")),
    );
    files.extend(folder("LOCALAPPDATA").map(|local| local.join(r"pnpm\opencode.exe")));
    files.extend(home.map(|home| home.join(r"scoop\apps\opencode\current\opencode.exe")));
    files.extend(home.map(|home| home.join(r"scoop\shims\opencode.exe")));
    files.extend(folder("PROGRAMDATA").map(|data| data.join(r"chocolatey\bin\opencode.exe")));
    files
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], nodes: &[&str], expected: &[&str]) {
        let variables: Variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let list = |folder: &Path| {
            let is_nvm = folder.ends_with("versions/node");
            let names = if is_nvm { nodes } else { &[] };
            names.iter().map(|name| folder.join(name)).collect()
        };
        let found = places(&variables, &list);
        let found: Vec<&str> = found.iter().map(|place| place.to_str().unwrap()).collect();
        let usual = systemwide().len();
        assert_eq!(found[..found.len() - usual], *expected);
    }

    #[test]
    fn every_way_to_install_has_its_place() {
        check(
            &[("PATH", "/a/bin:relative:/b"), ("HOME", "/h")],
            &["v20.1.0", "v22.0.0"],
            &[
                "/a/bin/opencode",
                "/b/opencode",
                "/h/.opencode/bin/opencode",
                "/h/.local/bin/opencode",
                "/h/bin/opencode",
                "/h/.npm-global/bin/opencode",
                "/h/.volta/bin/opencode",
                "/h/.asdf/shims/opencode",
                "/h/.local/share/mise/shims/opencode",
                "/h/.nix-profile/bin/opencode",
                "/h/.bun/bin/opencode",
                "/h/.local/share/pnpm/opencode",
                "/h/Library/pnpm/opencode",
                "/h/.nvm/versions/node/v22.0.0/bin/opencode",
                "/h/.nvm/versions/node/v20.1.0/bin/opencode",
            ],
        );
    }

    #[test]
    fn variables_name_other_homes() {
        check(
            &[
                ("PATH", ""),
                ("BUN_INSTALL", "/bun"),
                ("PNPM_HOME", "/pnpm"),
                ("NVM_DIR", "/nvm"),
            ],
            &["v22.0.0"],
            &[
                "/bun/bin/opencode",
                "/pnpm/opencode",
                "/nvm/versions/node/v22.0.0/bin/opencode",
            ],
        );
    }

    #[test]
    fn a_place_is_named_once() {
        check(&[("PATH", "/x/bin:/x/bin")], &[], &["/x/bin/opencode"]);
    }
}
