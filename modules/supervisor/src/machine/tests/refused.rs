//! What only a person can mend.

use super::*;

#[test]
fn a_cause_that_needs_a_person_is_looked_at_again_without_a_spawn() {
    let mut world = World::new();
    let refusal = Refusal::Permanent {
        reason: "opencode is not installed".to_owned(),
        recheck: Some(30 * SECOND),
    };
    let now = |at: Duration| Now {
        steady: world.begin + at,
        wall: WALL + at,
    };
    let (policy, at_60, at_65) = (world.policy.clone(), now(60 * SECOND), now(65 * SECOND));
    let machine = &mut world.machine;

    machine.handle(Event::Asked(Request::Start), now(Duration::ZERO), &policy, 0.0);
    machine.handle(
        Event::Prepared(Err(refusal.clone())),
        now(Duration::ZERO),
        &policy,
        0.0,
    );
    let shown = Phase::NeedsAction {
        cause: "opencode is not installed".to_owned(),
        recheck: Some(30 * SECOND),
    };
    assert_eq!(*machine.phase(), shown);
    assert_eq!(
        machine.handle(Event::Tick, at_60, &policy, 0.0),
        [Effect::Prepare]
    );
    assert_eq!(*machine.phase(), shown, "nothing is known yet");
    assert_eq!(
        machine.handle(Event::Prepared(Err(refusal)), at_60, &policy, 0.0),
        [Effect::Forget]
    );
    assert_eq!(*machine.phase(), shown);
    machine.handle(Event::Tick, now_later(at_60, 30), &policy, 0.0);
    assert_eq!(
        machine.handle(Event::Prepared(Ok(())), at_65, &policy, 0.0),
        [Effect::Spawn { is_restart: false }]
    );
    assert_eq!(machine.phase().name(), "starting");
}

fn now_later(now: Now, seconds: u64) -> Now {
    Now {
        steady: now.steady + Duration::from_secs(seconds),
        wall: now.wall + Duration::from_secs(seconds),
    }
}

#[test]
fn a_failed_check_is_never_healthy() {
    let mut world = World::new();
    world.ask(Request::Start);
    world.now = SECOND;
    world.tell(Event::Tick);
    world.asked.clear();
    world.tell(Event::Probed(Probe::Good));
    assert_eq!(world.asked, [Effect::Verify]);

    world.tell(Event::Verified(Err(Refusal::Permanent {
        reason: "opencode answers without its password".to_owned(),
        recheck: None,
    })));
    assert_eq!(world.asked.pop(), Some(Effect::End(Grace::NONE)));
    world.end();
    world.run(3_600 * SECOND, Probe::Good);

    assert_eq!(world.names(), ["stopped", "starting", "stopping", "needs_action"]);
    assert_eq!(world.spawns.len(), 1);
}
