//! Ending a process tree: asked first, told next, killed at last.

use std::{collections::HashSet, future::Future, time::Duration};

use os::{Identity, Signal};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

use crate::{Grace, tree::Tree};

/// Between two looks at a tree that is ending: most are gone within 100 ms.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Ends the whole `tree` and returns once nothing of it lives, or when `grace` gives up; `true` when it is gone. The
/// times of `grace` count from the call, and a shorter one may be sent at any time.
pub(crate) async fn end(
    tree: Tree,
    mut grace: watch::Receiver<Grace>,
    wind_down: impl Future<Output = ()> + Send,
) -> bool {
    let begun = Instant::now();
    wind_down_within(&mut grace, begun, wind_down).await;

    let mut told: HashSet<Identity> = HashSet::new();
    let mut was_told_again = false;
    let mut looks_without_any = 0_u32;
    loop {
        let patience = *grace.borrow_and_update();
        let elapsed = begun.elapsed();
        let looked = tree.clone();
        let alive = match tokio::task::spawn_blocking(move || looked.alive_blocking()).await {
            Ok(Ok(alive)) => alive,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the process table could not be read");
                vec![tree.root]
            }
            Err(_runtime_ends) => return false,
        };
        // A table read while processes start can miss one, so once is not enough.
        looks_without_any = if alive.is_empty() {
            looks_without_any + 1
        } else {
            0
        };
        if looks_without_any == 2 {
            tree.reap();
            return true;
        }
        if elapsed >= patience.give_up {
            tree.reap();
            return alive.is_empty();
        }
        if elapsed >= patience.term_again && !was_told_again {
            was_told_again = true;
            told.clear();
        }
        for process in alive {
            let signal = if elapsed >= patience.kill {
                Signal::Kill
            } else if told.insert(process) {
                Signal::Terminate
            } else {
                continue;
            };
            if let Err(error) = os::signal(process, signal) {
                tracing::debug!(pid = process.pid, %error, "a process could not be signalled");
            }
        }
        tree.reap();
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            Ok(()) = grace.changed() => {}
        }
    }
}

async fn wind_down_within(
    grace: &mut watch::Receiver<Grace>,
    begun: Instant,
    wind_down: impl Future<Output = ()> + Send,
) {
    let mut wind_down = std::pin::pin!(wind_down);
    loop {
        let limit = begun + grace.borrow_and_update().wind_down;
        tokio::select! {
            biased;
            // Whatever came of it, the signals follow.
            _ = timeout_at(limit, &mut wind_down) => return,
            Ok(()) = grace.changed() => {}
        }
    }
}
