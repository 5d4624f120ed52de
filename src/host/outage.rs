//! One module's life: run it, and run it again when it fails.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use kit::{BoxFuture, CancellationToken, Module, ModuleId, Notice, NoticeKind, NoticeSender, State, Status};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

/// A module that ran this long was well: its next failure is a first one and mended at once.
const WELL_AFTER: Duration = Duration::from_secs(60);
/// A module that runs this long after a failure is said to be back.
const BACK_AFTER: Duration = Duration::from_secs(5);
/// Longest wait between two attempts.
const DELAY_MAX: Duration = Duration::from_secs(60);

/// Runs one module for as long as the agent lives.
pub(super) struct Resident {
    pub(super) module: Arc<dyn Module>,
    pub(super) notices: NoticeSender,
    pub(super) index: usize,
    pub(super) outages: watch::Sender<Vec<Option<Status>>>,
}

impl Resident {
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let began = Instant::now();
            let cause = self.attend(&stop, failures).await;
            if stop.is_cancelled() {
                if let Some(cause) = cause {
                    tracing::warn!(
                        module = self.module.id().0,
                        cause,
                        "a module failed while it stopped"
                    );
                }
                return;
            }
            let was_well = began.elapsed() >= WELL_AFTER;
            failures = if was_well { 1 } else { failures + 1 };
            let delay = delay(failures, was_well);
            let cause = cause.unwrap_or_else(|| "it was cut off".to_owned());
            self.tell_failure(&cause, delay, failures);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(delay) => {}
            }
            self.set_outage(None);
        }
    }

    /// Runs the module once, in a task of its own so that a panic stays there. Gives the cause of an unwanted end.
    async fn attend(&self, stop: &CancellationToken, failures: u32) -> Option<String> {
        let run = Arc::clone(&self.module).run(stop.clone());
        let mut task = AbortOnDropHandle::new(tokio::spawn(falling(self.module.id(), run)));
        let ended = if failures == 0 {
            task.await
        } else {
            match timeout(BACK_AFTER, &mut task).await {
                Ok(ended) => ended,
                Err(_still_well) => {
                    self.tell_recovery();
                    task.await
                }
            }
        };
        match ended {
            Ok(Ok(())) if stop.is_cancelled() => None,
            Ok(Ok(())) => Some("it ended without being asked to".to_owned()),
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(error) if error.is_panic() => Some("an internal error, see the log".to_owned()),
            Err(_aborted) => None,
        }
    }

    fn tell_failure(&self, cause: &str, delay: Duration, failures: u32) {
        let (id, title) = (self.module.id().0, self.module.title());
        let now = SystemTime::now();
        let wait = if delay.is_zero() {
            "It is started again now.".to_owned()
        } else {
            format!("It is started again in {} s.", delay.as_secs())
        };
        let mut status = Status::new(State::Backoff, now).because(format!("{title} failed: {cause}. {wait}"));
        status.next_attempt = Some(now + delay);
        self.set_outage(Some(status));
        if failures == 1 {
            tracing::warn!(
                module = id,
                cause,
                delay_ms = delay.as_millis(),
                "a module failed"
            );
            self.notices.send(self.notice(
                format!("{title} failed"),
                format!("The cause: {cause}. {wait} Everything else goes on."),
            ));
        } else {
            tracing::debug!(module = id, cause, failures, "a module failed again");
        }
    }

    fn tell_recovery(&self) {
        tracing::info!(module = self.module.id().0, "a module is back");
        let title = format!("{} is back", self.module.title());
        self.notices.send(self.notice(title, "It runs again.".to_owned()));
    }

    fn notice(&self, title: String, body: String) -> Notice {
        Notice {
            kind: NoticeKind::Agent,
            key: format!("module-{}", self.module.id()),
            title,
            body,
            page: "/dashboard".to_owned(),
            answers: Vec::new(),
            away: None,
        }
    }

    fn set_outage(&self, status: Option<Status>) {
        self.outages.send_modify(|outages| {
            if let Some(held) = outages.get_mut(self.index) {
                *held = status;
            }
        });
    }
}

/// A module's run as it is.
#[cfg(not(debug_assertions))]
async fn falling(_id: ModuleId, run: BoxFuture<'static, anyhow::Result<()>>) -> anyhow::Result<()> {
    run.await
}

/// For tests alone, and in their builds alone: names a file. A module whose id is written there falls over where it is.
#[cfg(debug_assertions)]
const TEST_FALL: &str = "NEXUS_TEST_FALL";

/// A module's run, until a test has it fall over.
#[cfg(debug_assertions)]
async fn falling(id: ModuleId, run: BoxFuture<'static, anyhow::Result<()>>) -> anyhow::Result<()> {
    let Some(file) = std::env::var_os(TEST_FALL) else {
        return run.await;
    };
    let felled = async {
        while !std::fs::read_to_string(&file).is_ok_and(|text| text == id.0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Once is enough. One that cannot be removed has it fall again.
        drop(std::fs::remove_file(&file));
    };
    tokio::select! {
        ended = run => ended,
        () = felled => Err(anyhow::anyhow!("a test had it fall over")),
    }
}

/// How long to wait before attempt number `failures` + 1: nothing after a long healthy run, else 1, 2, 4 … 60 s.
fn delay(failures: u32, was_well: bool) -> Duration {
    if was_well {
        return Duration::ZERO;
    }
    let doubled = 1_u64 << failures.saturating_sub(1).min(16);
    Duration::from_secs(doubled).min(DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_vanish_after_a_healthy_run() {
        let check = |failures, was_well, seconds| {
            assert_eq!(delay(failures, was_well), Duration::from_secs(seconds));
        };

        check(1, true, 0);
        check(1, false, 1);
        check(2, false, 2);
        check(6, false, 32);
        check(7, false, 60);
        check(u32::MAX, false, 60);
    }
}
