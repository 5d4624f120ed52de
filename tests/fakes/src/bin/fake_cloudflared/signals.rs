//! Signals.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[cfg(unix)]
use crate::log::bare;
use crate::{die, log::Log};

/// What SIGQUIT leaves.
#[cfg(unix)]
const GOROUTINES: &str = "\
SIGQUIT: quit
PC=0x47fa21 m=0 sigcode=0

goroutine 1 [select]:
github.com/cloudflare/cloudflared/cmd/cloudflared/tunnel.waitToShutdown(0xc0000b8000)
\t/home/runner/work/cloudflared/cmd/cloudflared/tunnel/cmd.go:614 +0x1c5";

/// The first SIGTERM or SIGINT cancels `stop`, a second one kills. SIGHUP kills by its default action.
#[cfg(unix)]
pub(crate) fn listen(
    log: Arc<Log>,
    ignores_term: bool,
    stop: CancellationToken,
    ends: mpsc::Sender<u8>,
) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    tokio::spawn(async move {
        loop {
            let (name, words) = tokio::select! {
                _ = terminate.recv() => ("TERM", "terminated"),
                _ = interrupt.recv() => ("INT", "interrupt"),
                _ = quit.recv() => {
                    bare(GOROUTINES);
                    // Somebody else may have ended the process a moment before.
                    let _ = ends.send(2).await;
                    continue;
                }
            };
            if ignores_term {
                continue;
            }
            if stop.is_cancelled() {
                die::of_signal(name);
            }
            log.info(&format!("Initiating graceful shutdown due to signal {words} ..."));
            stop.cancel();
        }
    });
    Ok(())
}

/// Ctrl-C and Ctrl-Break count as an interrupt; without a console there is none.
#[cfg(not(unix))]
pub(crate) fn listen(
    log: Arc<Log>,
    _ignores_term: bool,
    stop: CancellationToken,
    _ends: mpsc::Sender<u8>,
) -> std::io::Result<()> {
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if stop.is_cancelled() {
                die::of_signal("INT");
            }
            log.info("Initiating graceful shutdown due to signal interrupt ...");
            stop.cancel();
        }
    });
    Ok(())
}
