//! A running agent, as a user starts it: the built program in a home of its own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use serde_json::Value;

use super::{Home, PATIENCE, Pid, Processes, Session, until};

mod options;

pub use options::Options;

/// The quit budget and what a busy machine may add.
const QUIT_WAIT: Duration = Duration::from_secs(15);

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
        Options::new()
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
