//! What is told to whoever keeps a history.

use std::{sync::Arc, time::Duration};

use supervisor::{End, Exit, Phase, Policy, StopKind};

use crate::nursery::{Nursery, policy, until};

async fn told(nursery: &mut Nursery) -> End {
    tokio::time::timeout(Duration::from_secs(30), nursery.ends.recv())
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_words_of_a_child_that_is_replaced_at_once_are_not_lost() {
    // It says something when it is told to end, and so at its very end.
    let script = "trap 'echo farewell >&2; exit 7' USR1; echo hello; while :; do sleep 0.01; done";
    let mut nursery = Nursery::with(script, policy(), Arc::new(tempfile::tempdir().unwrap()));
    nursery.handle.start().await.unwrap();
    let first = nursery.pid();
    until("the first line", || {
        (nursery.handle.output_tail(1) == ["hello"]).then_some(())
    })
    .await;
    // Long enough for the next start to follow at once.
    tokio::time::sleep(policy().healthy_after + Duration::from_millis(50)).await;
    std::process::Command::new("kill")
        .args(["-USR1", &first.to_string()])
        .status()
        .unwrap();

    let end = told(&mut nursery).await;

    assert_eq!(end.cause, "script ended with exit code 7");
    assert_eq!(end.exit, Exit::Code(7));
    assert_eq!(end.last_output, ["farewell"]);
    assert!(end.ran_for.unwrap() >= policy().healthy_after, "{end:?}");
    nursery.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_request_is_told_and_a_stop_is_not() {
    let mut nursery = Nursery::of("echo up; exec sleep 900");
    nursery.handle.start().await.unwrap();

    nursery.handle.restart().await.unwrap();
    let end = told(&mut nursery).await;
    nursery.handle.stop(StopKind::User).await.unwrap();

    assert_eq!(end.cause, "it was restarted on request");
    assert_eq!(end.exit, Exit::Signal(15));
    assert!(nursery.ends.try_recv().is_err());
    nursery.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_child_is_replaced_and_a_busy_one_is_not() {
    let quick = || Policy {
        probe_every: Duration::from_millis(50),
        hung_after: Duration::from_millis(300),
        still_for: Duration::from_millis(150),
        hung_at_last: Duration::from_secs(600),
        long_stall: Duration::from_millis(400),
        ..policy()
    };
    let mut nursery = Nursery::with(
        "while :; do :; done",
        quick(),
        Arc::new(tempfile::tempdir().unwrap()),
    );
    nursery.handle.start().await.unwrap();
    let busy = nursery.pid();
    *nursery.script.answers.lock().unwrap() = supervisor::Probe::Bad;

    // It burns a core: however long it is silent, it is left alone.
    let mut phase = nursery.handle.phase();
    phase
        .wait_for(|phase| matches!(phase, Phase::Unresponsive { is_long: true, .. }))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(nursery.pid(), busy);

    let child = nursery.identity();
    std::process::Command::new("kill")
        .args(["-STOP", &busy.to_string()])
        .status()
        .unwrap();
    let end = told(&mut nursery).await;
    *nursery.script.answers.lock().unwrap() = supervisor::Probe::Good;

    assert_eq!(end.cause, "it was stopped by a signal and does not answer");
    assert_eq!(end.exit, Exit::Signal(9));
    until("the stopped one to be gone", || {
        (os::identify(child.pid) != Some(child)).then_some(())
    })
    .await;
    nursery.phase_named("healthy").await;
    nursery.close().await;
}
