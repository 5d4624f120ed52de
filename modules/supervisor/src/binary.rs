//! Whether a file is a program this machine can start.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Why a file cannot be started. Reads on after the file's name.
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

/// What a file that can be started is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A program of this machine.
    Native,
    /// A text some other program runs.
    Script,
}

/// Looks at a file. Starts nothing.
///
/// # Errors
/// Why it cannot be used.
pub fn look(path: &Path) -> Result<Form, Unusable> {
    if !path.is_absolute() {
        return Err(Unusable::Relative);
    }
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
    form_of(&bytes, path)
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

fn form_of(bytes: &[u8], path: &Path) -> Result<Form, Unusable> {
    match bytes {
        [] => Err(Unusable::Empty),
        [b'#', b'!', ..] => Ok(Form::Script),
        [0x7f, b'E', b'L', b'F', ..] => {
            let machine = bytes
                .get(18..20)
                .map(|pair| u16::from(pair[0]) | u16::from(pair[1]) << 8);
            let fits = ELF_MACHINE.is_none() || machine == ELF_MACHINE;
            if cfg!(target_os = "linux") && fits {
                Ok(Form::Native)
            } else {
                Err(Unusable::Foreign)
            }
        }
        // Mach-O, alone in either byte order or several in one file.
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => {
            if cfg!(target_os = "macos") {
                Ok(Form::Native)
            } else {
                Err(Unusable::Foreign)
            }
        }
        [b'M', b'Z', ..] => {
            if cfg!(windows) {
                Ok(Form::Native)
            } else {
                Err(Unusable::Foreign)
            }
        }
        _ if path
            .extension()
            .is_some_and(|found| found == "cmd" || found == "bat") =>
        {
            Ok(Form::Script)
        }
        _ => Err(Unusable::NoProgram),
    }
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
            let path = folder.path().join("program");
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
        assert_eq!(look(Path::new("program")), Err(Unusable::Relative));
    }
}
