use std::time::{Duration, Instant};

use supervisor::{Phase, StopKind};

use crate::nursery::{Nursery, named, odd_sleep, policy, until};

/// In its own session; an orphan in its own session; one without our environment, an orphan too.
fn scattered(seconds: &str) -> String {
    format!(
        "setsid sleep {seconds} & sh -c 'setsid sleep {seconds} & exit 0'; \
         env -i setsid /usr/bin/sleep {seconds} & \
         sleep {seconds} & wait"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_tree_outlives_a_stop() {
    let seconds = odd_sleep();
    let nursery = Nursery::of(&scattered(&seconds));
    nursery.handle.start().await.unwrap();
    until("four sleepers", || {
        (named(&format!("sleep {seconds}"))
            .iter()
            .filter(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == "sleep\n")
            })
            .count()
            == 4)
            .then_some(())
    })
    .await;

    let begun = Instant::now();
    let phase = nursery.handle.stop(StopKind::User).await.unwrap();

    assert_eq!(phase, Phase::Stopped);
    assert_eq!(named(&format!("sleep {seconds}")), Vec::<u32>::new());
    assert!(begun.elapsed() < Duration::from_secs(1), "SIGTERM was enough");
    assert_eq!(
        nursery
            .script
            .wound_down
            .load(std::sync::atomic::Ordering::SeqCst),
        1
    );
    nursery.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_tree_outlives_its_crashed_root_and_the_next_start_does_not_wait() {
    let seconds = odd_sleep();
    let mut calm = policy();
    calm.probe_every = Duration::from_millis(20);
    let nursery = Nursery::with(
        &format!(
            "trap '' TERM; setsid sh -c \"trap '' TERM; sleep {seconds}; true\" & sleep {seconds} & wait"
        ),
        calm,
        std::sync::Arc::new(tempfile::tempdir().unwrap()),
    );
    nursery.handle.start().await.unwrap();
    let first = nursery.identity();
    // One for the session's shell, two for the sleepers.
    until("the tree to stand", || {
        (named(&format!("sleep {seconds}")).len() >= 4).then_some(())
    })
    .await;
    let old = named(&format!("sleep {seconds}"));

    let killed = Instant::now();
    os::signal(first, os::Signal::Kill).unwrap();
    let second = until("another child", || {
        let pid = nursery.handle.phase().borrow().pid()?;
        (pid != first.pid).then_some(pid)
    })
    .await;

    let back = killed.elapsed();
    let alive = |pid: &u32| os::identify(*pid).is_some();
    assert!(
        old.iter().any(alive),
        "the old tree takes its 2 s, and the new child ({second}) was up after {back:?}"
    );
    until("the old tree to end", || (!old.iter().any(alive)).then_some(())).await;
    assert!(killed.elapsed() < Duration::from_secs(5));
    assert_eq!(nursery.pid(), second, "the new child was left alone");
    nursery.close().await;
    assert_eq!(named(&format!("sleep {seconds}")), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_listen_is_killed_in_time() {
    let seconds = odd_sleep();
    let nursery = Nursery::of(&format!(
        "trap '' TERM; while true; do sleep {seconds} & wait; sleep 0.01; done"
    ));
    nursery.handle.start().await.unwrap();
    let child = nursery.identity();

    let begun = Instant::now();
    nursery.handle.stop(StopKind::User).await.unwrap();

    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(1), "killed before its time: {took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(os::identify(child.pid), None);
    assert_eq!(named(&format!("sleep {seconds}")), Vec::<u32>::new());
    nursery.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_hears_that_it_shall_end() {
    let nursery = Nursery::of("exec sleep 900");
    nursery.handle.start().await.unwrap();
    let child = nursery.pid();
    std::process::Command::new("kill")
        .args(["-STOP", &child.to_string()])
        .status()
        .unwrap();

    let begun = Instant::now();
    nursery.handle.stop(StopKind::User).await.unwrap();

    assert!(begun.elapsed() < Duration::from_secs(1));
    nursery.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn haste_cuts_a_patient_stop_short() {
    let mut patient = policy();
    patient.stop.kill = Duration::from_secs(60);
    patient.stop.give_up = Duration::from_secs(90);
    let nursery = Nursery::with(
        "trap '' TERM; while true; do sleep 0.05; done",
        patient,
        std::sync::Arc::new(tempfile::tempdir().unwrap()),
    );
    nursery.handle.start().await.unwrap();

    let begun = Instant::now();
    let patient_stop = {
        let handle = nursery.handle.clone();
        tokio::spawn(async move { handle.stop(StopKind::User).await })
    };
    nursery.phase_named("stopping").await;
    nursery.handle.stop(StopKind::Now).await.unwrap();

    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(patient_stop.await.unwrap(), Ok(Phase::Stopped));
    nursery.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_agent_left_is_ended_by_the_next_and_nothing_else() {
    let seconds = odd_sleep();
    let records = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let nursery = Nursery::with(&scattered(&seconds), policy(), std::sync::Arc::clone(&records));
    nursery.handle.start().await.unwrap();
    until("the sleepers", || {
        (named(&format!("sleep {seconds}")).len() >= 4).then_some(())
    })
    .await;
    let mut bystander = std::process::Command::new("sleep").arg(&seconds).spawn().unwrap();
    // The next best thing to killing this process: the supervisor vanishes between two lines.
    nursery.running.abort();
    assert!(nursery.running.await.unwrap_err().is_cancelled());
    assert_eq!(std::fs::read_dir(records.path()).unwrap().count(), 1);
    assert!(named(&format!("sleep {seconds}")).len() >= 3);

    let next = Nursery::with("exec sleep 900", policy(), records);
    next.handle.start().await.unwrap();

    // Without the marker and without a parent it is nobody's any more.
    let left = named(&format!("sleep {seconds}"));
    let unmarked = left
        .iter()
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| environment.is_empty())
        })
        .count();
    assert!(left.contains(&bystander.id()));
    assert_eq!(left.len(), 1 + unmarked);
    for pid in left {
        if let Some(process) = os::identify(pid) {
            os::signal(process, os::Signal::Kill).unwrap();
        }
    }
    bystander.wait().unwrap();
    next.close().await;
}
