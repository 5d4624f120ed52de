use std::time::{Duration, Instant};

use supervisor::{Phase, Policy, Request, StopKind};

use crate::nursery::{Nursery, named, odd_sleep, policy, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_says_why_it_ends_is_quoted_in_the_verdict() {
    let nursery = Nursery::with(
        "echo starting; printf '\\033[91mboom\\033[0m\\n' >&2; exit 1",
        Policy {
            window: Duration::from_secs(600),
            ..policy()
        },
        std::sync::Arc::new(tempfile::tempdir().unwrap()),
    );
    *nursery.script.answers.lock().unwrap() = supervisor::Probe::Bad;
    nursery.handle.start().await.unwrap();

    let Phase::Degraded { cause, retry_at } = nursery.phase_named("degraded").await else {
        panic!("another phase of the same name")
    };

    assert_eq!(cause, "script ended with exit code 1: boom");
    assert!(retry_at.is_some());
    assert_eq!(nursery.starts(), 5);
    assert_eq!(nursery.handle.restarts(), 4);
    // Two pipes: which of the two lines is read first is not decided by who wrote first.
    let mut said = nursery.handle.output_tail(2);
    said.sort();
    assert_eq!(said, ["boom", "starting"]);
    nursery.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_from_all_sides_never_make_two_children_and_the_last_one_decides() {
    let seconds = odd_sleep();
    let nursery = Nursery::of(&format!("exec sleep {seconds}"));
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..200 {
        let handle = nursery.handle.clone();
        callers.spawn(async move {
            let request = match n % 3 {
                0 => Request::Start,
                1 => Request::Stop(StopKind::User),
                _ => Request::Restart,
            };
            handle.request(request).await
        });
    }
    // Between fork and exec a child still looks like this process, and a killed one is gone once it cannot be identified.
    let ours = || named(&format!("sleep {seconds}")).len();
    while !callers.is_empty() {
        assert!(ours() <= 1, "two children at once");
        tokio::select! {
            called = callers.join_next() => called.unwrap().unwrap().unwrap(),
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }

    assert_eq!(nursery.handle.stop(StopKind::User).await, Ok(Phase::Stopped));
    let started = nursery.handle.start().await.unwrap();
    assert!(matches!(started, Phase::Healthy { .. }), "{started:?}");
    assert_eq!(nursery.handle.stop(StopKind::User).await, Ok(Phase::Stopped));
    nursery.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_never_gets_ready_ends_with_its_tree() {
    let nursery = Nursery::of("sleep 900 & setsid sleep 900 & wait");
    *nursery.script.answers.lock().unwrap() = supervisor::Probe::Bad;
    let begun = Instant::now();
    nursery.handle.request(Request::Start).await.unwrap();

    let backoff = nursery.phase_named("backoff").await;

    // 120 s in this policy's time.
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(backoff.cause(), Some("it was not ready within 1 s"));
    assert!(nursery.handle.run().borrow().is_none());
    nursery.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_blocks_neither_the_child_nor_us() {
    let nursery = Nursery::with(
        "exec yes 0123456789012345678901234567890123456789012345678901234567890123456789",
        Policy::default(),
        std::sync::Arc::new(tempfile::tempdir().unwrap()),
    );
    let begun = Instant::now();
    nursery.handle.start().await.unwrap();

    let count = |nursery: &Nursery| {
        let load =
            |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        (load(&nursery.sink.bytes), load(&nursery.sink.dropped))
    };
    let (kept, dropped) = until("100 MB to be written", || {
        let (kept, dropped) = count(&nursery);
        (kept + dropped >= 100_000_000).then_some((kept, dropped))
    })
    .await;

    let seconds = begun.elapsed().as_secs_f64();
    assert!(
        kept as f64 <= 5e6 * (seconds + 1.0) + 65_536.0,
        "{kept} in {seconds} s"
    );
    assert!(dropped > 0);
    assert_eq!(nursery.handle.phase().borrow().name(), "healthy");
    let stopped = Instant::now();
    nursery.handle.stop(StopKind::User).await.unwrap();
    assert!(stopped.elapsed() < Duration::from_secs(2));
    nursery.close().await;
}
