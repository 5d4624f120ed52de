//! An agent on a desktop, and what a person does there.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Child, ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::harness::{Desktop, PATIENCE, Pid, Processes, opencode, until};

/// A start on a busy machine, web engine included.
pub const WINDOW_WAIT: Duration = Duration::from_secs(60);

/// An agent on a desktop.
pub struct Resident<'a> {
    desktop: &'a Desktop,
    child: Child,
}

impl<'a> Resident<'a> {
    /// Starts `nexus run` with further arguments and waits until it serves.
    pub fn start(desktop: &'a Desktop, arguments: &[&str]) -> Self {
        let child = spawn(desktop, arguments);
        let resident = Self { desktop, child };
        until("the agent to serve", PATIENCE, || {
            resident
                .status()
                .filter(|status| status["gateway"]["local_url"].is_string())
        });
        resident
    }

    pub fn status(&self) -> Option<Value> {
        status(self.desktop)
    }

    pub fn pid(&self) -> Pid {
        let status = self.status().unwrap();
        Pid::try_from(status["agent"]["pid"].as_u64().unwrap()).unwrap()
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub fn ask(&self, arguments: &[&str]) -> String {
        let output = self
            .desktop
            .home()
            .nexus_command()
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn tray(&self) -> String {
        format!("org.kde.StatusNotifierItem-{}-1", self.pid())
    }

    /// The menu's lines as (number, text, mark), submenus indented; lines between groups have no text.
    pub fn menu(&self) -> Vec<Line> {
        let name = self.tray();
        self.desktop.wait_for_name(&name);
        let answer = self.desktop.bus(&[
            "--json=short",
            "call",
            &name,
            "/MenuBar",
            "com.canonical.dbusmenu",
            "GetLayout",
            "iias",
            "--",
            "0",
            "-1",
            "0",
        ]);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let mut lines = Vec::new();
        gather(&answer["data"][1], 0, &mut lines);
        lines
    }

    /// Chooses the line with this text.
    #[track_caller]
    pub fn choose(&self, text: &str) {
        let lines = self.menu();
        let line = lines.iter().find(|line| line.text == text);
        let line = line.unwrap_or_else(|| panic!("no line {text:?}: {lines:#?}"));
        let (name, number) = (self.tray(), line.number.to_string());
        let arguments = [
            "--user",
            "call",
            &name,
            "/MenuBar",
            "com.canonical.dbusmenu",
            "Event",
            "isvu",
            &number,
            "clicked",
            "s",
            "",
            "0",
        ];
        let output = self.desktop.output("busctl", &arguments);
        // Who is asked to quit may be gone before it has answered.
        let is_gone = String::from_utf8_lossy(&output.stderr).contains("disconnected from message bus");
        assert!(output.status.success() || is_gone, "{text:?}: {output:?}");
    }

    #[track_caller]
    pub fn wait_for_window(&self, title: &str) {
        until(&format!("a window called {title:?}"), WINDOW_WAIT, || {
            let titles = self.desktop.windows();
            titles.iter().any(|window| window.contains(title)).then_some(())
        });
    }

    #[track_caller]
    pub fn wait_for_no_window(&self) {
        until("every window to go", WINDOW_WAIT, || {
            self.desktop
                .windows()
                .iter()
                .all(|title| !title.contains("Nexus"))
                .then_some(())
        });
    }

    /// Processes of windows.
    pub fn window_processes(&self) -> Vec<Pid> {
        let all = self.desktop.home().survivors();
        all.into_iter()
            .filter(|pid| is_ours(*pid) && program(*pid) != "nexus")
            .collect()
    }

    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        until("the agent to end", PATIENCE, || self.child.try_wait().unwrap())
    }

    /// Nothing of the program is left.
    #[track_caller]
    pub fn assert_gone(&self) {
        until("everything of the agent to go", PATIENCE, || {
            let left = self.desktop.home().survivors();
            left.into_iter().all(|pid| !is_ours(pid)).then_some(())
        });
    }
}

impl Drop for Resident<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.desktop.home().nexus().join("logs/agent.jsonl"));
            eprintln!("--- the agent's log ---\n{}", log.unwrap_or_default());
            Processes::signal(self.child.id(), "TERM");
        }
        let _collected = self.child.wait();
    }
}

/// The real opencode, started when it is asked for.
pub fn settings() -> String {
    format!(
        "[opencode]\nautostart = false\npath = \"{}\"\n",
        opencode().display()
    )
}

pub fn spawn(desktop: &Desktop, arguments: &[&str]) -> Child {
    let home = desktop.home();
    if !home.nexus().join("settings.toml").exists() {
        home.settings(&settings());
    }
    home.nexus_command()
        .arg("run")
        .args(arguments)
        .env("PATH", format!("{}:/usr/bin:/bin", bin(desktop)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

pub fn status(desktop: &Desktop) -> Option<Value> {
    let mut command = desktop.home().nexus_command();
    let output = command.args(["status", "--json"]).output().unwrap();
    output
        .status
        .success()
        .then(|| serde_json::from_slice(&output.stdout).unwrap())
}

/// The name of the program a process runs.
pub fn program(pid: Pid) -> String {
    let command = Processes::command(pid);
    let path = command.split(' ').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

pub fn is_ours(pid: Pid) -> bool {
    let program = program(pid);
    program.starts_with("nexus") || program.starts_with("WebKit")
}

#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    number: i64,
    /// 0 at the top, 1 in a submenu.
    pub depth: usize,
    /// Empty for a line between groups.
    pub text: String,
    /// Whether a switch is on.
    pub is_marked: bool,
    /// Whether it can be chosen.
    pub is_enabled: bool,
}

pub fn gather(node: &Value, depth: usize, lines: &mut Vec<Line>) {
    for child in node[2].as_array().into_iter().flatten() {
        let child = &child["data"];
        let text = child[1]["label"]["data"].as_str().unwrap_or_default();
        lines.push(Line {
            number: child[0].as_i64().unwrap(),
            depth,
            text: text.replace("__", "_"),
            is_marked: child[1]["toggle-state"]["data"] == 1,
            is_enabled: child[1]["enabled"]["data"] != false,
        });
        gather(child, depth + 1, lines);
    }
}

/// A folder of programs that come before the system's: here `xdg-open`, which only notes what it is asked to open.
pub fn bin(desktop: &Desktop) -> String {
    let folder = desktop.home().path().join("bin");
    fs::create_dir_all(&folder).unwrap();
    let opener = folder.join("xdg-open");
    let noted = desktop.home().path().join("opened");
    fs::write(
        &opener,
        format!(
            "#!/bin/sh\necho \"$1\" >> {0}\ncat \"${{1#file://}}\" >> {0}\n",
            noted.display()
        ),
    )
    .unwrap();
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
    folder.display().to_string()
}
