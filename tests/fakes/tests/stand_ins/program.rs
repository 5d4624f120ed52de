//! A stand-in as a process.

use std::{
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
};

use crate::visitor;

/// How long anything may take that is not itself measured. Generous: machines that run tests are busy.
pub const PATIENCE: Duration = Duration::from_secs(30);
pub const CLOUDFLARED: &str = env!("CARGO_BIN_EXE_fake-cloudflared");

pub struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    news: watch::Receiver<usize>,
}

/// How a program ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Code(i32),
    Signal(i32),
}

/// The command with a clean environment and this script.
pub fn command(script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(CLOUDFLARED);
    command
        .args(arguments)
        .env_clear()
        .env("FAKE_CLOUDFLARED", script)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs to its end. Gives code, stdout, stderr.
pub async fn run(script: &str, arguments: &[&str]) -> (End, String, String) {
    let mut child = command(script, arguments).spawn().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = async {
        tokio::try_join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err)).unwrap();
        child.wait().await.unwrap()
    };
    let status = tokio::time::timeout(PATIENCE, read)
        .await
        .expect("it has not ended");
    (end(status), out, err)
}

impl Program {
    pub fn start(script: &str, arguments: &[&str]) -> Self {
        Self::spawn(command(script, arguments))
    }

    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (count, news) = watch::channel(0);
        let seen = Arc::clone(&lines);
        tokio::spawn(async move {
            let mut reader = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                seen.lock().unwrap().push(line);
                count.send_modify(|count| *count += 1);
            }
        });
        Self { child, lines, news }
    }

    /// A quick tunnel to `origin` through `edge`, connected, with its hostname and the address of its metrics.
    pub async fn quick(
        edge: &fakes::Edge,
        origin: &str,
        words: &str,
        more: &[&str],
    ) -> (Self, String, SocketAddr) {
        let script = format!(
            "scale=0.02 edge={} quick_service={} {words}",
            edge.tunnel(),
            edge.control_url()
        );
        let mut arguments = vec!["tunnel", "--metrics", "127.0.0.1:0", "--url", origin];
        arguments.extend(more);
        let mut program = Self::start(&script, &arguments);
        program.line("Registered tunnel connection").await;
        let (host, metrics) = (program.hostname().await, program.metrics().await);
        (program, host, metrics)
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The first line that contains this, when it is there.
    pub async fn line(&mut self, part: &str) -> String {
        self.nth_line(part, 0).await
    }

    /// As [`line`](Self::line), after `before` others that contain it.
    pub async fn nth_line(&mut self, part: &str, before: usize) -> String {
        let found = async {
            loop {
                let found = self
                    .lines()
                    .into_iter()
                    .filter(|line| line.contains(part))
                    .nth(before);
                if let Some(found) = found {
                    return found;
                }
                if self.news.changed().await.is_err() {
                    panic!("it said nothing of {part}: {:#?}", self.lines());
                }
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(_) => panic!("{part} was waited for in vain: {:#?}", self.lines()),
        }
    }

    pub async fn hostname(&mut self) -> String {
        let line = self.line("|  https://").await;
        line.split("https://")
            .nth(1)
            .unwrap()
            .trim_end_matches('|')
            .trim()
            .to_owned()
    }

    pub async fn metrics(&mut self) -> SocketAddr {
        let line = self.line("Starting metrics server on ").await;
        let address = line.split("server on ").nth(1).unwrap();
        address.split("/metrics").next().unwrap().parse().unwrap()
    }

    pub fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill")
            .args([&format!("-{name}"), &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub async fn end(&mut self) -> End {
        let waited = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        end(waited.expect("it has not ended").unwrap())
    }
}

fn end(status: std::process::ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Code(code),
        (None, signal) => End::Signal(signal.unwrap()),
    }
}

/// Status and JSON of a path of the metrics server.
pub async fn ask(metrics: SocketAddr, path: &str) -> (u16, Value) {
    let seen = visitor::get(metrics, "localhost", path).await;
    (
        seen.status,
        serde_json::from_str(&seen.body).unwrap_or(Value::String(seen.body)),
    )
}

/// Asks until `/ready` has this status.
pub async fn until_ready_is(metrics: SocketAddr, status: u16) -> Value {
    let found = async {
        loop {
            let (now, body) = ask(metrics, "/ready").await;
            if now == status {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found)
        .await
        .expect("it never became so")
}
