//! How quickly a child that worked is replaced. A program of its own, so that no other story runs beside it.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "outside of test functions too, a broken expectation ends the story"
)]

#[path = "children/nursery.rs"]
#[expect(dead_code, reason = "shared with stories that need more of it")]
mod nursery;

use std::time::{Duration, Instant};

use nursery::{Nursery, policy, until};
use supervisor::Policy;

/// Measured as a person would: from the signal to another process number among our children.
#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_worked_is_replaced_within_ten_milliseconds() {
    const ROUNDS: usize = 9;
    let nursery = Nursery::with(
        "exec sleep 900",
        Policy {
            max_failures: 1_000,
            ..policy()
        },
        std::sync::Arc::new(tempfile::tempdir().unwrap()),
    );
    nursery.handle.start().await.unwrap();
    let mut gaps = Vec::new();

    for _ in 0..ROUNDS {
        let healthy = nursery.phase_named("healthy").await;
        let child = os::identify(healthy.pid().unwrap()).unwrap();
        tokio::time::sleep(policy().healthy_after + Duration::from_millis(20)).await;
        let killed = Instant::now();
        os::signal(child, os::Signal::Kill).unwrap();
        until("the next child", || {
            let replaced = |pid: &u32| *pid != child.pid && os::identify(*pid).is_some();
            os::children_of(std::process::id())
                .iter()
                .any(replaced)
                .then_some(())
        })
        .await;
        gaps.push(killed.elapsed());
        nursery
            .handle
            .phase()
            .wait_for(|phase| phase.pid().is_some_and(|pid| pid != child.pid))
            .await
            .unwrap();
    }

    gaps.sort();
    let median = gaps[ROUNDS / 2];
    assert!(
        median <= Duration::from_millis(10),
        "exit to next process: {gaps:?}"
    );
    assert_eq!(nursery.handle.restarts(), u32::try_from(ROUNDS).unwrap());
    nursery.close().await;
}
