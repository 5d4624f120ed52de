use std::{net::TcpListener, os::unix::fs::PermissionsExt, time::Duration};

use supervisor::{Phase, Refusal};

use crate::nursery::Nursery;

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_be_executed_needs_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, content: &[u8], mode| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let mut arm = std::fs::read("/bin/true").unwrap();
    // The machine field of an ELF header: AArch64, or x86-64 where this already is one.
    arm[18] = if arm[18] == 0xb7 { 0x3e } else { 0xb7 };
    let table = [
        (folder.path().join("missing"), "does not exist"),
        (make("empty", b"", 0o755), "no program for this machine"),
        (make("foreign", &arm, 0o755), "no program for this machine"),
        (make("plain", b"#!/bin/sh\n", 0o644), "may not be executed"),
    ];
    for (program, reason) in table {
        let nursery = Nursery::of("");
        (*nursery.script.program.lock().unwrap()).clone_from(&program);

        let phase = nursery.handle.start().await.unwrap();

        let Phase::NeedsAction { cause, recheck } = phase else {
            panic!("{}: {phase:?}", program.display())
        };
        assert!(
            cause.contains(reason) && cause.contains(program.to_str().unwrap()),
            "{cause}"
        );
        assert!(recheck.is_some_and(|wait| wait <= Duration::from_secs(60)));
        assert_eq!(nursery.starts(), 1);
        nursery.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_lost_to_somebody_else_is_chosen_anew_and_nobody_is_told() {
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let lost = stranger.local_addr().unwrap().port();
    let nursery = Nursery::of("exit 1");
    // The last one comes first. With a port of its own nothing is checked.
    nursery.script.ports.lock().unwrap().extend([lost, lost]);
    let script = std::sync::Arc::clone(&nursery.script);
    let mut phase = nursery.handle.phase();
    nursery.handle.request(supervisor::Request::Start).await.unwrap();
    while script.prepared.load(std::sync::atomic::Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    *script.text.lock().unwrap() = "exec sleep 900".to_owned();

    let settled = phase.wait_for(Phase::is_settled).await.unwrap().clone();

    assert!(matches!(settled, Phase::Healthy { .. }), "{settled:?}");
    assert!(nursery.starts() <= 4);
    assert_eq!(nursery.handle.restarts(), 0);
    nursery.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_answers_on_our_port_is_not_our_child() {
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let lost = stranger.local_addr().unwrap().port();
    let nursery = Nursery::of("exec sleep 900");
    nursery.script.ports.lock().unwrap().push(lost);

    let phase = nursery.handle.start().await.unwrap();

    // The first child was refused although every probe was answered; the second has no port to be mistaken about.
    assert!(matches!(phase, Phase::Healthy { .. }), "{phase:?}");
    assert_eq!(nursery.starts(), 2);
    nursery.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_fails_its_check_never_counts_as_healthy() {
    let nursery = Nursery::of("exec sleep 900");
    *nursery.script.verdict.lock().unwrap() = Err(Refusal::Permanent {
        reason: "it answers without its password".to_owned(),
        recheck: None,
    });
    let run = nursery.handle.run();

    let phase = nursery.handle.start().await.unwrap();

    assert_eq!(phase.cause(), Some("it answers without its password"));
    assert!(!run.has_changed().unwrap());
    assert_eq!(nursery.starts(), 1);
    nursery.close().await;
}
