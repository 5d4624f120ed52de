//! Whether a file is a program this machine can start.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Why a file is not opencode. Reads on after the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Nothing there.
    #[error("does not exist")]
    Missing,
    /// A folder or a device.
    #[error("is not a file")]
    NoFile,
    /// A relative path would mean another file in each folder.
    #[error("is not an absolute path")]
    Relative,
    /// Mode bits say so.
    #[error("may not be executed; `chmod +x` would allow it")]
    NotExecutable,
    /// Nothing in it.
    #[error("is empty")]
    Empty,
    /// For another processor or system.
    #[error("is a program for another kind of machine")]
    Foreign,
    /// No program at all.
    #[error("is not a program")]
    NoProgram,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

/// Enough of a file to know what it is: the longest thing needed is a first line.
const HEAD_BYTES: usize = 256;

/// Looks at a file and gives the one to start. That is another one where the file is only a wrapper: older packages of
/// opencode come with a script that starts the program as a child and does not pass signals on.
///
/// # Errors
/// Why it cannot be used.
pub fn look(path: &Path) -> Result<PathBuf, Unusable> {
    if !path.is_absolute() {
        return Err(Unusable::Relative);
    }
    match head(path)? {
        Kind::Native => Ok(path.to_owned()),
        Kind::Script => Ok(behind(path).unwrap_or_else(|| path.to_owned())),
    }
}

enum Kind {
    Native,
    Script,
}

fn head(path: &Path) -> Result<Kind, Unusable> {
    let found = std::fs::metadata(path).map_err(unreadable)?;
    if !found.is_file() {
        return Err(Unusable::NoFile);
    }
    if !is_executable(&found) {
        return Err(Unusable::NotExecutable);
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(HEAD_BYTES as u64)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    kind_of(&bytes, path)
}

fn unreadable(error: io::Error) -> Unusable {
    if matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    ) {
        Unusable::Missing
    } else {
        Unusable::Unreadable(error.to_string())
    }
}

#[cfg(unix)]
fn is_executable(found: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    found.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_found: &std::fs::Metadata) -> bool {
    true
}

/// Machine numbers of ELF (`e_machine`): <https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html>.
const ELF_MACHINE: Option<u16> = if cfg!(target_arch = "x86_64") {
    Some(62)
} else if cfg!(target_arch = "aarch64") {
    Some(183)
} else {
    None
};

fn kind_of(bytes: &[u8], path: &Path) -> Result<Kind, Unusable> {
    match bytes {
        [] => Err(Unusable::Empty),
        [b'#', b'!', ..] => Ok(Kind::Script),
        [0x7f, b'E', b'L', b'F', ..] => {
            let machine = bytes
                .get(18..20)
                .map(|pair| u16::from(pair[0]) | u16::from(pair[1]) << 8);
            let fits = ELF_MACHINE.is_none() || machine == ELF_MACHINE;
            if cfg!(target_os = "linux") && fits {
                Ok(Kind::Native)
            } else {
                Err(Unusable::Foreign)
            }
        }
        // Mach-O, alone in either byte order or several in one file.
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => {
            if cfg!(target_os = "macos") {
                Ok(Kind::Native)
            } else {
                Err(Unusable::Foreign)
            }
        }
        [b'M', b'Z', ..] => {
            if cfg!(windows) {
                Ok(Kind::Native)
            } else {
                Err(Unusable::Foreign)
            }
        }
        _ if path
            .extension()
            .is_some_and(|found| found == "cmd" || found == "bat") =>
        {
            Ok(Kind::Script)
        }
        _ => Err(Unusable::NoProgram),
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
        .find(|file| matches!(head(file), Ok(Kind::Native)))
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

    fn elf(machine: u16) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..4].copy_from_slice(b"\x7fELF");
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes
    }

    #[test]
    fn a_wrong_file_is_named_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let check = |content: &[u8], mode: u32, expected: &str| {
            let path = folder.path().join("opencode");
            write(&path, content, mode);
            assert_eq!(look(&path).unwrap_err().to_string(), expected);
            fs::remove_file(&path).unwrap();
        };
        check(
            &elf(ELF_MACHINE.unwrap()),
            0o644,
            "may not be executed; `chmod +x` would allow it",
        );
        check(b"", 0o755, "is empty");
        check(&elf(40), 0o755, "is a program for another kind of machine");
        check(b"MZ\x90\0", 0o755, "is a program for another kind of machine");
        check(b"hello, I am a text", 0o755, "is not a program");
        assert_eq!(look(folder.path()), Err(Unusable::NoFile));
        assert_eq!(look(&folder.path().join("nothing")), Err(Unusable::Missing));
        assert_eq!(look(Path::new("opencode")), Err(Unusable::Relative));
    }

    #[test]
    fn a_program_and_a_script_of_ones_own_are_started_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let native = folder.path().join("native");
        write(&native, &elf(ELF_MACHINE.unwrap()), 0o755);
        let script = folder.path().join("script");
        write(&script, b"#!/bin/sh\nexec opencode \"$@\"\n", 0o755);

        assert_eq!(look(&native), Ok(native.clone()));
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
        let native = prefix.join(format!(
            "lib/node_modules/opencode-linux-{arch}-baseline/bin/opencode"
        ));
        write(&native, &elf(ELF_MACHINE.unwrap()), 0o755);
        assert_eq!(look(&link), Ok(native));
    }
}
