//! How an agent is to be started.

use std::{
    process::Stdio,
    sync::{Arc, Mutex},
};

use fakes::model::Model;
use serde_json::Value;

use super::{Agent, read};
use crate::harness::{Home, PATIENCE, opencode, until};

/// How an agent is to be started.
pub struct Options {
    home: Home,
    settings: String,
    opencode: String,
    model: Option<String>,
    launcher: Vec<String>,
}

impl Options {
    pub(super) fn new() -> Self {
        Self {
            home: Home::new(),
            settings: String::new(),
            opencode: String::new(),
            model: None,
            launcher: Vec::new(),
        }
    }

    /// Its home, to be prepared before it starts.
    pub fn place(&self) -> &Home {
        &self.home
    }

    /// Started by another program, whose last argument is to be the command, e.g. `["unshare", "--net"]`.
    pub fn under(mut self, launcher: &[&str]) -> Self {
        self.launcher = launcher.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// In this home instead of a fresh one.
    pub fn home(mut self, home: Home) -> Self {
        self.home = home;
        self
    }

    /// With one more variable in the environment of everything that is started.
    pub fn env(&mut self, name: &str, value: &str) {
        self.home.env(name, value);
    }

    /// With more in the settings file, e.g. `"[gateway]\nport = 0\n"`. The table `[opencode]` is written already: its
    /// keys go through [`opencode`](Self::opencode).
    pub fn settings(mut self, toml: &str) -> Self {
        self.settings.push_str(toml);
        self.settings.push('\n');
        self
    }

    /// With more keys in `[opencode]`, e.g. `"port = 4096"`.
    pub fn opencode(mut self, keys: &str) -> Self {
        self.opencode.push_str(keys);
        self.opencode.push('\n');
        self
    }

    /// With another program in opencode's place.
    pub fn program(self, path: &std::path::Path) -> Self {
        let path = toml_text(&path.to_string_lossy());
        self.opencode(&format!("path = {path}"))
    }

    /// With this model as opencode's only one.
    pub fn model(mut self, model: &Model) -> Self {
        self.model = Some(fakes::provider_config(&model.base_url()));
        self
    }

    /// Without opencode: nothing is started until asked for.
    pub fn idle(self) -> Self {
        self.opencode("autostart = false")
    }

    /// Starts it and waits until it serves.
    #[track_caller]
    pub fn start(self) -> Agent {
        let mut agent = self.spawn();
        let lines = Arc::clone(&agent.lines);
        let child = &mut agent.child;
        agent.base = until("the agent to say that it is ready", PATIENCE, || {
            let said = lines.lock().unwrap();
            let ready = said
                .iter()
                .find_map(|line| line.strip_prefix("nexus ready "))
                .map(str::to_owned);
            if ready.is_none()
                && let Ok(Some(status)) = child.try_wait()
            {
                panic!("the agent ended with {status} before it was ready: {said:#?}");
            }
            ready
        });
        agent
    }

    /// Starts it and waits for nothing.
    #[track_caller]
    pub fn spawn(self) -> Agent {
        self.write_settings();
        let mut command = match self.launcher.split_first() {
            None => self.home.nexus_command(),
            Some((program, arguments)) => {
                let mut command = self.home.command(program);
                command.args(arguments).arg(env!("CARGO_BIN_EXE_nexus"));
                command
            }
        };
        let mut child = command
            .args(["run", "--headless", "--demo"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            read(child.stdout.take().unwrap(), &lines, ""),
            read(child.stderr.take().unwrap(), &lines, "stderr: "),
        ];
        Agent {
            child,
            lines,
            readers,
            base: String::new(),
            launcher: self.launcher,
            home: Some(self.home),
        }
    }

    fn write_settings(&self) {
        let mut keys = self.opencode.clone();
        if !keys.lines().any(|line| line.starts_with("path")) {
            keys.push_str(&format!("path = {}\n", toml_text(&opencode().to_string_lossy())));
        }
        let environment = self.model.as_ref().map_or_else(String::new, |config| {
            format!(
                "[opencode.env]\nOPENCODE_CONFIG_CONTENT = {}\n",
                toml_text(config)
            )
        });
        if !self.home.nexus().join("settings.toml").exists() {
            self.home
                .settings(&format!("[opencode]\n{keys}\n{environment}\n{}", self.settings));
        }
    }
}

/// A TOML string that holds any text.
fn toml_text(text: &str) -> String {
    // JSON's strings are TOML's basic strings as long as no surrogate escapes occur, and serde_json writes none.
    Value::String(text.to_owned()).to_string()
}
