//! A running agent, as a user starts it: the built program in a home of its own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use fakes::model::Model;
use serde_json::Value;

use super::{Home, PATIENCE, Pid, Processes, Session, opencode, until};

/// The quit budget and what a busy machine may add.
const QUIT_WAIT: Duration = Duration::from_secs(15);

/// How an agent is to be started.
pub struct Options {
    home: Home,
    settings: String,
    opencode: String,
    model: Option<String>,
    launcher: Vec<String>,
}

impl Options {
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

/// The agent of a story. When the story ends it is asked to quit, and nothing of it may be left.
pub struct Agent {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    base: String,
    launcher: Vec<String>,
    home: Option<Home>,
}

impl Agent {
    /// Headless, on the real opencode, with a link to the chat printed.
    pub fn options() -> Options {
        Options {
            home: Home::new(),
            settings: String::new(),
            opencode: String::new(),
            model: None,
            launcher: Vec::new(),
        }
    }

    /// What a shell in the agent's own namespaces prints. For agents that were started [`under`](Options::under) another
    /// program.
    #[track_caller]
    pub fn inside(&self, script: &str) -> String {
        let target = self.monitor().to_string();
        let spaces = ["--user", "--mount", "--net"]
            .into_iter()
            .filter(|space| self.launcher.iter().any(|word| word == space));
        let output = self
            .home()
            .command("nsenter")
            .args(["--preserve-credentials", "--target", &target])
            .args(spaces)
            .args(["sh", "-c", script])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}: {output:?}");
        said
    }

    /// Sends lines over the control socket as fast as they are answered, and returns the answers.
    #[track_caller]
    pub fn speak(&self, lines: &[String]) -> Vec<String> {
        let socket = self.home().nexus().join("run").join("control.sock");
        let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
        lines
            .iter()
            .map(|line| {
                stream.write_all(line.as_bytes()).unwrap();
                stream.write_all(b"\n").unwrap();
                answers.next().unwrap().unwrap()
            })
            .collect()
    }

    /// Everything in the agent's own log files.
    pub fn log(&self) -> String {
        let folder = self.home().nexus().join("logs");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("agent"))
            .collect();
        files.sort();
        files
            .iter()
            .map(|path| std::fs::read_to_string(path).unwrap_or_default())
            .collect()
    }

    /// Waits until the log holds `text`.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        until(&format!("the log to hold {text:?}"), PATIENCE, || {
            self.log().contains(text).then_some(())
        });
    }

    /// Where it lives.
    pub fn home(&self) -> &Home {
        self.home.as_ref().expect("the home leaves with the agent only")
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The process that was started: the monitor.
    pub fn monitor(&self) -> Pid {
        self.child.id()
    }

    /// The agent's own process.
    #[track_caller]
    pub fn pid(&self) -> Pid {
        Pid::try_from(self.status()["agent"]["pid"].as_u64().unwrap()).unwrap()
    }

    /// Everything it has printed, stderr's lines marked.
    pub fn said(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The link it printed, `chat at …` or `set up at …`.
    #[track_caller]
    pub fn link(&self) -> String {
        until("the agent to print a link", PATIENCE, || {
            self.said().iter().find_map(|line| {
                let at = line
                    .strip_prefix("chat at ")
                    .or_else(|| line.strip_prefix("set up at "))?;
                Some(at.to_owned())
            })
        })
    }

    /// The command line against this agent, to be run by the story.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home().nexus_command();
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// The command line against this agent.
    #[track_caller]
    pub fn nexus(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The same where it must succeed; stdout without the last end of line.
    #[track_caller]
    pub fn ask(&self, arguments: &[&str]) -> String {
        let output = self.nexus(arguments);
        assert!(output.status.success(), "nexus {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// The object of `nexus status --json`.
    #[track_caller]
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.ask(&["status", "--json"])).unwrap()
    }

    /// Follows the status until it is as wanted, and returns it. An agent that is down for a while is waited for.
    #[track_caller]
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_within(what, PATIENCE, wanted)
    }

    /// The same with a deadline of one's own.
    #[track_caller]
    pub fn wait_within(&self, what: &str, patience: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        until(what, patience, || {
            let output = self.nexus(&["status", "--json"]);
            if !output.status.success() {
                return None;
            }
            last = serde_json::from_slice(&output.stdout).ok()?;
            wanted(&last).then(|| last.clone())
        })
    }

    /// Waits until opencode is healthy; returns its process id.
    #[track_caller]
    pub fn healthy(&self) -> Pid {
        let status = self.wait_for("opencode to be healthy", |status| {
            status["modules"]["opencode"]["state"] == "healthy"
        });
        Pid::try_from(status["modules"]["opencode"]["pid"].as_u64().unwrap()).unwrap()
    }

    /// A new session of the owner's.
    #[track_caller]
    pub fn enter(&self) -> Session {
        let link = self.ask(&["open", "chat", "--print-url"]);
        Session::by_link(link.split_whitespace().next_back().unwrap())
    }

    /// Somebody without a session.
    pub fn stranger(&self) -> Session {
        Session::stranger(&self.base)
    }

    /// Waits until the process that was started has ended.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the agent to end", QUIT_WAIT, || child.try_wait().unwrap())
    }

    /// Waits until it has logged something.
    #[track_caller]
    pub fn wait_for_line(&self, text: &str) {
        until("the agent to say something", PATIENCE, || {
            let logged = self.nexus(&["logs", "--source", "agent"]);
            String::from_utf8_lossy(&logged.stdout)
                .contains(text)
                .then_some(())
        });
    }

    /// Kills processes of it without a word, and hands the home back with whatever still runs there.
    #[track_caller]
    pub fn killed_with(mut self, victims: impl FnOnce(&Self) -> Vec<Pid>) -> Home {
        for victim in victims(&self) {
            Processes::signal(victim, "KILL");
        }
        self.ended();
        self.home.take().expect("the home leaves with the agent only")
    }

    /// Quits now, fails when anything is left, and hands the home back for the next start.
    #[track_caller]
    pub fn quit(self) -> Home {
        let output = self.nexus(&["quit", "--now"]);
        assert!(output.status.success(), "nexus quit: {output:?}");
        self.leave()
    }

    /// The same for an agent whose home is to be seen in its own namespace only.
    #[track_caller]
    pub fn quit_inside(self) -> Home {
        self.inside(concat!(env!("CARGO_BIN_EXE_nexus"), " quit --now"));
        self.leave()
    }

    #[track_caller]
    fn leave(mut self) -> Home {
        let status = self.ended();
        assert!(
            status.success(),
            "the agent ended with {status}: {:#?}",
            self.said()
        );
        let home = self.home.take().expect("the home leaves with the agent only");
        home.assert_empty();
        home
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let Some(home) = self.home.take() else { return };
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let mut quit = home.nexus_command();
            quit.args(["quit", "--now"]).stdin(Stdio::null());
            let asked = quit.stdout(Stdio::null()).stderr(Stdio::null()).status();
            if !asked.is_ok_and(|status| status.success()) {
                Processes::signal(self.child.id(), "TERM");
            }
        }
        if std::thread::panicking() {
            eprintln!("--- the agent of this story said ---");
            for line in self.said() {
                eprintln!("{line}");
            }
            let _being_dropped_anyway = self.child.kill();
            let _collected = self.child.wait();
            drop(home);
        } else {
            let child = &mut self.child;
            until("the agent to end", QUIT_WAIT, || child.try_wait().unwrap());
            home.assert_empty();
        }
        for reader in self.readers.drain(..) {
            let _its_panic_would_hide_the_story = reader.join();
        }
    }
}

/// A TOML string that holds any text.
fn toml_text(text: &str) -> String {
    // JSON's strings are TOML's basic strings as long as no surrogate escapes occur, and serde_json writes none.
    Value::String(text.to_owned()).to_string()
}

fn read(
    stream: impl Read + Send + 'static,
    lines: &Arc<Mutex<Vec<String>>>,
    mark: &'static str,
) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(format!("{mark}{line}"));
        }
    })
}
