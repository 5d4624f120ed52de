//! A folder that is the whole world of one story: the program's home and its user's.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::{PATIENCE, Pid, Processes, until, wait::pause};

/// Removed with everything in it when the story ends; survivors of the story fail it.
pub struct Home {
    folder: tempfile::TempDir,
    also: Vec<(OsString, OsString)>,
    program: PathBuf,
}

impl Home {
    /// An empty home: `NEXUS_HOME`, a user's HOME with XDG folders, and a folder for projects.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("nexus-it-").tempdir().unwrap();
        let home = Self {
            folder,
            also: Vec::new(),
            program: env!("CARGO_BIN_EXE_nexus").into(),
        };
        for part in ["nexus", "user", "runtime", "tmp"] {
            let path = home.path().join(part);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        home
    }

    /// The folder that holds all of it.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What `NEXUS_HOME` names.
    pub fn nexus(&self) -> PathBuf {
        self.path().join("nexus")
    }

    /// What `HOME` names.
    pub fn user(&self) -> PathBuf {
        self.path().join("user")
    }

    /// A project folder with one file in it.
    pub fn project(&self, name: &str) -> PathBuf {
        let folder = self.path().join("projects").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("README.md"), format!("# {name}\n")).unwrap();
        folder
    }

    /// Writes the settings file.
    pub fn settings(&self, toml: &str) {
        fs::write(self.nexus().join("settings.toml"), toml).unwrap();
    }

    /// Installs the program into a folder of this home, without `nexus-window` beside it, and returns the folder. From
    /// now on commands run that one.
    pub fn install(&mut self) -> PathBuf {
        let folder = self.path().join("installed");
        fs::create_dir(&folder).unwrap();
        let program = folder.join("nexus");
        fs::copy(&self.program, &program).unwrap();
        self.program = program;
        folder
    }

    /// Adds or replaces a variable of every process started from here, e.g. `DISPLAY`.
    pub fn env(&mut self, name: &str, value: impl Into<OsString>) {
        self.also.push((name.into(), value.into()));
    }

    /// The complete environment of a process of this home. Nothing of the caller's crosses but the system's PATH.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let user = self.user();
        let mut all: Vec<(OsString, OsString)> = vec![
            (
                "PATH".into(),
                "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".into(),
            ),
            ("LANG".into(), "C.UTF-8".into()),
            ("SHELL".into(), "/bin/sh".into()),
            ("NEXUS_HOME".into(), self.nexus().into()),
            ("XDG_RUNTIME_DIR".into(), self.path().join("runtime").into()),
            ("TMPDIR".into(), self.path().join("tmp").into()),
        ];
        all.extend(
            fakes::offline_env(&user)
                .into_iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        all.extend(self.also.iter().cloned());
        all
    }

    /// A program in this home's environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.environment())
            .current_dir(self.path());
        command
    }

    /// The program under test, with arguments to come.
    pub fn nexus_command(&self) -> Command {
        self.command(&self.program)
    }

    /// Everything alive that was started in this home.
    pub fn survivors(&self) -> Vec<Pid> {
        Processes::below(self.path())
    }

    /// Fails when something outlives the story for longer than the quit budget.
    #[track_caller]
    pub fn assert_empty(&self) {
        let mut last = Vec::new();
        let began = std::time::Instant::now();
        while began.elapsed() < std::time::Duration::from_secs(8) {
            last = self.survivors();
            if last.is_empty() {
                return;
            }
            pause();
        }
        let named: Vec<String> = last
            .iter()
            .map(|pid| format!("{pid} {}", Processes::command(*pid)))
            .collect();
        panic!("left running: {named:#?}");
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let left = self.survivors();
        for pid in &left {
            Processes::signal(*pid, "KILL");
        }
        if !std::thread::panicking() && !left.is_empty() {
            until("the killed survivors to go", PATIENCE, || {
                self.survivors().is_empty().then_some(())
            });
        }
    }
}
