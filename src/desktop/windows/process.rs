//! One run of `nexus-window`.

use std::{io, path::Path, process::Stdio, time::Duration};

use kit::window::{FromWindow, ToWindow};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// Lines are short; what is longer is not of the protocol.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// How long it may take to close its windows.
const END_WAIT: Duration = Duration::from_secs(1);

/// What the process does.
pub(super) enum Event {
    /// It said something.
    Said(FromWindow),
    /// It is gone.
    Ended(String),
}

/// A running window process. Killed when dropped.
pub(super) struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    line: Vec<u8>,
}

impl Process {
    /// Starts it. `data` is where it keeps cookies and caches.
    pub(super) fn start(program: &Path, data: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .arg("--data")
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            // With it set, anybody on the machine could steer the pages.
            .env_remove("WEBKIT_INSPECTOR_SERVER");
        if std::env::var_os("WEBKIT_DISABLE_DMABUF_RENDERER").is_none() {
            // Blank windows on some drivers, and three times slower without a graphics card (WebKitGTK 2.50).
            command.env("WEBKIT_DISABLE_DMABUF_RENDERER", "1");
        }
        let mut child = command.spawn()?;
        let missing = || io::Error::other("its pipes are missing");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        Ok(Self {
            child,
            stdin,
            stdout: BufReader::new(stdout),
            line: Vec::new(),
        })
    }

    /// Says one line.
    pub(super) async fn say(&mut self, said: &ToWindow) -> io::Result<()> {
        let mut line = serde_json::to_vec(said)?;
        line.push(b'\n');
        self.stdin.write_all(&line).await?;
        self.stdin.flush().await
    }

    /// The next thing it does. Cancel-safe: a half-read line is kept.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len() as u64);
            let read = (&mut self.stdout)
                .take(room)
                .read_until(b'\n', &mut self.line)
                .await;
            match read {
                Ok(0) | Err(_) => return self.ended().await,
                Ok(_) => {
                    let said = serde_json::from_slice(&self.line);
                    self.line.clear();
                    // What a newer window process says beyond the protocol is skipped.
                    if let Ok(said) = said {
                        return Event::Said(said);
                    }
                }
            }
        }
    }

    async fn ended(&mut self) -> Event {
        // Its output is closed; a process that lingers on without one is of no use.
        let how = match tokio::time::timeout(END_WAIT, self.child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_lingers) => {
                if let Err(error) = self.child.kill().await {
                    tracing::debug!(%error, "the window process could not be ended");
                }
                "it was ended".to_owned()
            }
        };
        Event::Ended(how)
    }

    /// Closes all windows and waits until the process is gone.
    pub(super) async fn end(mut self) {
        if self.say(&ToWindow::Quit).await.is_ok()
            && tokio::time::timeout(END_WAIT, self.child.wait()).await.is_ok()
        {
            return;
        }
        if let Err(error) = self.child.kill().await {
            tracing::debug!(%error, "the window process could not be ended");
        }
    }
}
