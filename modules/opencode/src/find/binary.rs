//! Which file is to be started.

use std::path::{Path, PathBuf};

use supervisor::Form;
pub use supervisor::Unusable;

/// Looks at a file and gives the one to start. That is another one where the file is only a wrapper: older packages of
/// opencode come with a script that starts the program as a child and does not pass signals on.
///
/// # Errors
/// Why it cannot be used.
pub fn look(path: &Path) -> Result<PathBuf, Unusable> {
    match supervisor::look(path)? {
        Form::Native => Ok(path.to_owned()),
        Form::Script => Ok(behind(path).unwrap_or_else(|| path.to_owned())),
    }
}

/// The program behind a wrapper script of the npm package, if it is one.
fn behind(script: &Path) -> Option<PathBuf> {
    let real = std::fs::canonicalize(script).ok()?;
    let folder = real.parent()?;
    // A command file stands beside the packages, a script inside its own.
    let own = [
        folder.join("node_modules/opencode-ai"),
        folder.parent()?.to_owned(),
    ];
    let package = own
        .iter()
        .find(|package| package.join("package.json").is_file())?;
    if package.file_name()? != "opencode-ai" {
        return None;
    }
    let mut files = vec![package.join("bin/opencode.exe"), package.join("bin/.opencode")];
    let os = if cfg!(windows) {
        "windows"
    } else if cfg!(target_os = "macos") {
        "darwin"
    } else {
        "linux"
    };
    let arch = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x64"
    };
    let name = if cfg!(windows) { "opencode.exe" } else { "opencode" };
    let modules = [package.join("node_modules"), package.parent()?.to_owned()];
    for modules in modules {
        for variant in ["", "-baseline", "-musl", "-baseline-musl"] {
            files.push(modules.join(format!("opencode-{os}-{arch}{variant}/bin/{name}")));
        }
    }
    files
        .into_iter()
        .find(|file| matches!(supervisor::look(file), Ok(Form::Native)))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn write(path: &Path, content: &[u8], mode: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The beginning of a program of this machine: this one's.
    fn native() -> Vec<u8> {
        let mut bytes = fs::read(std::env::current_exe().unwrap()).unwrap();
        bytes.truncate(64);
        bytes
    }

    #[test]
    fn a_program_and_a_script_of_ones_own_are_started_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("native");
        write(&program, &native(), 0o755);
        let script = folder.path().join("script");
        write(&script, b"#!/bin/sh\nexec opencode \"$@\"\n", 0o755);

        assert_eq!(look(&program), Ok(program.clone()));
        assert_eq!(look(&script), Ok(script.clone()));
    }

    #[test]
    fn the_program_behind_npms_wrapper_is_started_instead() {
        let prefix = tempfile::tempdir().unwrap();
        let prefix = fs::canonicalize(prefix.path()).unwrap();
        let package = prefix.join("lib/node_modules/opencode-ai");
        write(&package.join("package.json"), b"{}", 0o644);
        write(
            &package.join("bin/opencode"),
            b"#!/usr/bin/env node\nrequire('child_process')",
            0o755,
        );
        fs::create_dir_all(prefix.join("bin")).unwrap();
        let link = prefix.join("bin/opencode");
        std::os::unix::fs::symlink("../lib/node_modules/opencode-ai/bin/opencode", &link).unwrap();

        assert_eq!(look(&link), Ok(link.clone()), "nothing is behind it yet");
        let arch = if cfg!(target_arch = "aarch64") {
            "arm64"
        } else {
            "x64"
        };
        let program = prefix.join(format!(
            "lib/node_modules/opencode-linux-{arch}-baseline/bin/opencode"
        ));
        write(&program, &native(), 0o755);
        assert_eq!(look(&link), Ok(program));
    }
}
