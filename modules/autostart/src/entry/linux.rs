//! A desktop entry in the autostart folder, after the desktop entry and autostart specifications 1.5 and 0.5.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use super::{ARGS, LoginError};

/// The entry of this installation. A portable one (`NEXUS_HOME`) has an entry of its own.
#[derive(Debug, Clone)]
pub struct LoginEntry {
    folder: PathBuf,
    program: PathBuf,
    nexus_home: Option<PathBuf>,
}

impl LoginEntry {
    /// The entry in the user's own autostart folder that starts `program`.
    ///
    /// # Errors
    /// [`LoginError::NoFolder`] when neither `XDG_CONFIG_HOME` nor `HOME` is set.
    pub fn new(program: PathBuf, nexus_home: Option<PathBuf>) -> Result<Self, LoginError> {
        let absolute = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let config =
            absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
        let folder = config.ok_or(LoginError::NoFolder)?.join("autostart");
        Ok(Self::in_folder(&folder, program, nexus_home))
    }

    /// The same in a folder of the caller's choice.
    pub fn in_folder(folder: &Path, program: PathBuf, nexus_home: Option<PathBuf>) -> Self {
        Self {
            folder: folder.to_owned(),
            program,
            nexus_home,
        }
    }

    /// Whether the desktop will start the agent: the entry is there and not switched off by the desktop's own tools.
    ///
    /// # Errors
    /// [`LoginError::Refused`] when the entry exists and cannot be read.
    pub fn is_on(&self) -> Result<bool, LoginError> {
        Ok(self.read()?.is_some_and(|text| {
            value(&text, "Hidden") != Some("true")
                && value(&text, "X-GNOME-Autostart-enabled") != Some("false")
        }))
    }

    /// Writes the entry.
    ///
    /// # Errors
    /// [`LoginError::Path`] for a path no entry can hold, [`LoginError::Refused`] when it cannot be written.
    pub fn switch_on(&self) -> Result<(), LoginError> {
        let text = render(&self.program, self.nexus_home.as_deref())?;
        let write = || {
            std::fs::create_dir_all(&self.folder)?;
            kit::files::write(&self.path(), text.as_bytes())
        };
        write().map_err(|source| self.refused("write", source))
    }

    /// Removes the entry; nothing happens when there is none.
    ///
    /// # Errors
    /// [`LoginError::Refused`] when it cannot be removed.
    pub fn switch_off(&self) -> Result<(), LoginError> {
        match std::fs::remove_file(self.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.refused("remove", error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Points an entry whose program is gone (moved, or replaced by another package) to this one. Gives whether it
    /// had to.
    ///
    /// # Errors
    /// As [`is_on`](Self::is_on) and [`switch_on`](Self::switch_on).
    pub fn mend(&self) -> Result<bool, LoginError> {
        if !self.is_on()? {
            return Ok(false);
        }
        let tried = self
            .read()?
            .and_then(|text| value(&text, "TryExec").map(unescape));
        if tried.is_some_and(|program| Path::new(&program).exists()) {
            return Ok(false);
        }
        self.switch_on().map(|()| true)
    }

    fn path(&self) -> PathBuf {
        let name = match &self.nexus_home {
            Some(home) => format!("opencode-nexus-{:08x}.desktop", checksum(home.as_os_str())),
            None => "opencode-nexus.desktop".to_owned(),
        };
        self.folder.join(name)
    }

    fn read(&self) -> Result<Option<String>, LoginError> {
        match std::fs::read(self.path()) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.refused("read", error)),
        }
    }

    fn refused(&self, what: &'static str, source: io::Error) -> LoginError {
        LoginError::Refused {
            what,
            place: self.path().display().to_string(),
            source,
        }
    }
}

fn render(program: &Path, nexus_home: Option<&Path>) -> Result<String, LoginError> {
    let plain = |path: &Path| {
        path.to_str()
            .filter(|text| !text.chars().any(char::is_control))
            .map(str::to_owned)
            .ok_or_else(|| LoginError::Path(path.display().to_string()))
    };
    let program = plain(program)?;
    let mut words = Vec::new();
    // GLib looks for the first word before it turns `%%` into `%`, so such a path may only stand further back.
    if nexus_home.is_some() || program.contains('%') {
        words.push("env".to_owned());
    }
    if let Some(home) = nexus_home {
        words.push(quote(&format!("NEXUS_HOME={}", plain(home)?)));
    }
    words.push(quote(&program));
    words.extend(ARGS.iter().map(ToString::to_string));
    Ok(format!(
        "[Desktop Entry]\n\
         Type=Application\n\
         Name=OpenCode Nexus\n\
         Comment=Keeps opencode running and lets you talk to it\n\
         TryExec={}\n\
         Exec={}\n\
         Icon=opencode-nexus\n\
         Terminal=false\n\
         StartupNotify=false\n\
         X-GNOME-Autostart-enabled=true\n",
        escape(&program),
        escape(&words.join(" ")),
    ))
}

/// One argument of `Exec`: in double quotes, with `"`, `` ` ``, `$` and `\` escaped, and `%` doubled.
fn quote(argument: &str) -> String {
    let mut quoted = String::with_capacity(argument.len() + 2);
    quoted.push('"');
    for c in argument.chars() {
        match c {
            '"' | '`' | '$' | '\\' => quoted.extend(['\\', c]),
            '%' => quoted.push_str("%%"),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A value of type string: the backslash is escaped once more, whatever stands around it.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\")
}

fn unescape(value: &str) -> String {
    value.replace("\\\\", "\\")
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        line.strip_prefix(key)?
            .trim_start()
            .strip_prefix('=')
            .map(str::trim)
    })
}

/// FNV-1a: short, stable over releases, and only has to tell a handful of folders apart.
fn checksum(text: &OsStr) -> u32 {
    text.as_encoded_bytes().iter().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests;
