//! One run of `nexus-window`.

use std::{io, path::Path, process::Stdio, time::Duration};

use kit::window::{FromWindow, ToWindow};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::absence::NoWindow;

/// Lines are short; what is longer is not of the protocol.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// How long it may take to close its windows.
const END_WAIT: Duration = Duration::from_secs(1);

/// What the process does.
pub(super) enum Event {
    /// It said something.
    Said(FromWindow),
    /// It is gone, before or after it had shown something.
    Ended(NoWindow),
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
    ///
    /// # Errors
    /// That it is not there, or what the system said.
    pub(super) fn start(program: &Path, data: &Path) -> Result<Self, NoWindow> {
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
        let not_started = |reason| NoWindow::NotStarted {
            program: program.to_owned(),
            reason,
        };
        let mut child = command.spawn().map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                NoWindow::Missing(program.to_owned())
            } else {
                not_started(error.to_string())
            }
        })?;
        let missing = || not_started("its pipes are missing".to_owned());
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
                Ok(0) | Err(_) => return Event::Ended(self.ended().await),
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

    /// Waits until it has ended, and judges how.
    pub(super) async fn ended(&mut self) -> NoWindow {
        // Its output is closed; a process that lingers on without one is of no use.
        match tokio::time::timeout(END_WAIT, self.child.wait()).await {
            Ok(Ok(status)) => NoWindow::after(status),
            Ok(Err(error)) => NoWindow::Crashed(error.to_string()),
            Err(_lingers) => {
                if let Err(error) = self.child.kill().await {
                    tracing::debug!(%error, "the window process could not be ended");
                }
                NoWindow::Crashed("it was ended".to_owned())
            }
        }
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
