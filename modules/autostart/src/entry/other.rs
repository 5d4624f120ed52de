//! Windows and macOS, through the `auto-launch` crate.

use std::{io, path::PathBuf};

use auto_launch::{AutoLaunch, AutoLaunchBuilder};

use super::{ARGS, LoginError};

/// The entry of this installation: a `Run` key on Windows, a launch agent on macOS.
#[derive(Debug, Clone)]
pub struct LoginEntry {
    program: PathBuf,
}

impl LoginEntry {
    /// The user's own entry that starts `program`.
    ///
    /// # Errors
    /// [`LoginError::Portable`] for an installation with a home of its own: neither kind of entry can set it.
    pub fn new(program: PathBuf, nexus_home: Option<PathBuf>) -> Result<Self, LoginError> {
        match nexus_home {
            Some(_) => Err(LoginError::Portable),
            None => Ok(Self { program }),
        }
    }

    /// Whether the system will start the agent.
    ///
    /// # Errors
    /// [`LoginError::Refused`] when the entry cannot be read.
    pub fn is_on(&self) -> Result<bool, LoginError> {
        self.launch()?
            .is_enabled()
            .map_err(|error| refused("read", &error))
    }

    /// Writes the entry.
    ///
    /// # Errors
    /// [`LoginError::Refused`] when it cannot be written.
    pub fn switch_on(&self) -> Result<(), LoginError> {
        self.launch()?.enable().map_err(|error| refused("write", &error))
    }

    /// Removes the entry; nothing happens when there is none.
    ///
    /// # Errors
    /// [`LoginError::Refused`] when it cannot be removed.
    pub fn switch_off(&self) -> Result<(), LoginError> {
        if !self.is_on()? {
            return Ok(());
        }
        self.launch()?
            .disable()
            .map_err(|error| refused("remove", &error))
    }

    /// Rewrites the entry if it is on: the program may have moved. Gives `false`, because what stood there before
    /// cannot be asked for.
    ///
    /// # Errors
    /// As [`is_on`](Self::is_on) and [`switch_on`](Self::switch_on).
    pub fn mend(&self) -> Result<bool, LoginError> {
        if self.is_on()? {
            self.switch_on()?;
        }
        Ok(false)
    }

    fn launch(&self) -> Result<AutoLaunch, LoginError> {
        let path = || LoginError::Path(self.program.display().to_string());
        let program = self
            .program
            .to_str()
            .filter(|text| !text.contains('"'))
            .ok_or_else(path)?;
        // The crate joins path and arguments with blanks into the registry value, so the path brings its quotes.
        let program = if cfg!(windows) {
            format!("\"{program}\"")
        } else {
            program.to_owned()
        };
        let built = AutoLaunchBuilder::new()
            .set_app_name("OpenCode Nexus")
            .set_app_path(&program)
            .set_args(&ARGS)
            .build();
        built.map_err(|error| refused("read", &error))
    }
}

fn refused(what: &'static str, error: &auto_launch::Error) -> LoginError {
    LoginError::Refused {
        what,
        place: "OpenCode Nexus".to_owned(),
        source: io::Error::other(error.to_string()),
    }
}
