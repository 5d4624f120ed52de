//! What makes a server hard to keep.

use std::{
    io::{self, Write},
    process::{Command, Stdio},
    time::Duration,
};

use tokio::net::TcpStream;

/// How much the flood writes at once.
const PIECE_BYTES: usize = 64 * 1024;

/// How long the stranger may take to get hold of the port.
const SQUATTER_WAIT: Duration = Duration::from_secs(10);

/// From now on SIGTERM is taken note of, and nothing else.
pub(crate) fn ignore_term() -> io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::spawn(async move { while terminate.recv().await.is_some() {} });
    }
    Ok(())
}

/// Starts `count` processes in sessions of their own, as opencode does with each tool shell, and as many whose parent
/// is gone.
pub(crate) fn start_children(count: u32) -> io::Result<()> {
    for _ in 0..count {
        quiet("setsid", &["sleep", "900"]).spawn()?;
        quiet("sh", &["-c", "setsid sleep 900 & exit 0"])
            .spawn()?
            .wait()?;
    }
    Ok(())
}

/// Has the port taken by a process that is nobody's child.
pub(crate) async fn start_squatter(port: u16) -> io::Result<()> {
    let own = std::env::current_exe()?;
    let line = format!("setsid '{}' squat {port} & exit 0", own.display());
    quiet("sh", &["-c", &line]).spawn()?.wait()?;
    let taken = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SQUATTER_WAIT, taken)
        .await
        .map_err(io::Error::other)
}

/// Sits on a port and answers nothing.
pub(crate) async fn squat(port: Option<u16>) -> io::Result<u8> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port.unwrap_or(0))).await?;
    loop {
        listener.accept().await?;
    }
}

/// Writes numbered lines to stdout at this rate, from a thread of its own: whoever does not read stops it.
pub(crate) fn flood(bytes_per_s: usize) {
    std::thread::spawn(move || {
        let begun = std::time::Instant::now();
        let mut written = 0_usize;
        let mut number = 0_u64;
        let mut piece = Vec::with_capacity(PIECE_BYTES + 128);
        let mut out = io::stdout().lock();
        loop {
            piece.clear();
            while piece.len() < PIECE_BYTES {
                number += 1;
                // Into a vector, which takes everything.
                let _ = writeln!(piece, "flood {number:0>80}");
            }
            if out.write_all(&piece).is_err() {
                return;
            }
            written += piece.len();
            let due = Duration::from_secs_f64(written as f64 / bytes_per_s as f64);
            if let Some(early) = due.checked_sub(begun.elapsed()) {
                std::thread::park_timeout(early);
            }
        }
    });
}

/// Computes on every core for `length`, from threads of its own.
pub(crate) fn burn(length: Duration) {
    let until = std::time::Instant::now() + length;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    for _ in 0..cores {
        std::thread::spawn(move || while std::time::Instant::now() < until {});
    }
}

/// Takes memory without end, a little at a time.
pub(crate) fn eat(after: Duration) {
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        let mut all = Vec::new();
        loop {
            all.push(vec![1_u8; 8 * 1024 * 1024]);
            tokio::task::yield_now().await;
        }
    });
}

/// So much memory, touched.
pub(crate) fn hold(mib: usize) -> Vec<u8> {
    vec![1_u8; mib * 1024 * 1024]
}

fn quiet(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}
