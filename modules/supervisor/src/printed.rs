//! Running a short-lived program and taking what it prints.

use std::{
    io,
    process::{Command, Stdio},
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    process::{Child, ChildStdout},
    time::timeout,
};

/// Why there is nothing to take.
#[derive(Debug)]
pub enum Failed {
    /// The program could not be started.
    NotStarted(io::Error),
    /// It did not end in time; it was killed with all it started.
    TooLate,
    /// It printed more than is taken; it was killed with all it started.
    TooMuch,
    /// Its output could not be read.
    Broke(io::Error),
}

/// Runs `command` in a session of its own, without input, and gives what it printed to standard output.
///
/// The end of the output counts, not the end of the process or its exit code: those may be taken by whoever waits for
/// all children of this process.
pub async fn printed(mut command: Command, limit: Duration, bytes_max: usize) -> Result<Vec<u8>, Failed> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    os::isolate(&mut command);
    let mut command = tokio::process::Command::from(command);
    let mut child = command.kill_on_drop(true).spawn().map_err(Failed::NotStarted)?;
    let Some(output) = child.stdout.take() else {
        return Err(Failed::Broke(io::ErrorKind::BrokenPipe.into()));
    };
    let found = match timeout(limit, read(output, bytes_max)).await {
        Ok(found) => found,
        Err(_late) => Err(Failed::TooLate),
    };
    if found.is_err() {
        kill(&child);
    }
    found
}

async fn read(mut output: ChildStdout, bytes_max: usize) -> Result<Vec<u8>, Failed> {
    let mut found = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    (&mut output)
        .take(limit)
        .read_to_end(&mut found)
        .await
        .map_err(Failed::Broke)?;
    if found.len() > bytes_max {
        return Err(Failed::TooMuch);
    }
    Ok(found)
}

/// Ends the program and everything below it. What is gone by now needs no ending.
fn kill(child: &Child) {
    let (Some(pid), Ok(processes)) = (child.id(), os::processes()) else {
        return;
    };
    for process in os::below(&processes, &[pid]) {
        os::signal(process, os::Signal::Kill).ok();
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn output_is_bounded_in_size_and_time() {
        let limit = Duration::from_secs(20);
        assert_eq!(printed(sh("printf abc; exit 7"), limit, 3).await.unwrap(), b"abc");
        assert!(matches!(
            printed(sh("printf abcd"), limit, 3).await,
            Err(Failed::TooMuch)
        ));
        let soon = Duration::from_millis(50);
        assert!(matches!(
            printed(sh("sleep 600"), soon, 3).await,
            Err(Failed::TooLate)
        ));
        assert!(matches!(
            printed(Command::new("/nonexistent"), limit, 3).await,
            Err(Failed::NotStarted(_))
        ));
    }
}
