//! Children that do not answer, and time that passes without us.

use super::*;

/// A child that was healthy for two minutes and stops answering then.
fn silent_at_two_minutes() -> World {
    let mut world = World::new();
    world.ask(Request::Start);
    world.run(120 * SECOND, Probe::Good);
    assert_eq!(world.machine.phase().name(), "healthy");
    world
}

#[test]
fn a_child_that_does_nothing_is_replaced_a_minute_after_it_is_called_unresponsive() {
    let mut world = silent_at_two_minutes();

    world.run(400 * SECOND, Probe::Bad);

    let times: Vec<(u64, &str)> = world
        .phases
        .iter()
        .map(|(at, phase)| (at.as_secs(), phase.name()))
        .filter(|(at, _)| *at >= 120)
        .take(3)
        .collect();
    // Three misses ten seconds apart, then a minute of silence; it had been well for long, so the next one follows at once.
    assert_eq!(
        times,
        [(140, "unresponsive"), (200, "stopping"), (200, "starting")]
    );
    assert_eq!(world.spawns[1].as_secs(), 200);
}

#[test]
fn a_stopped_child_is_replaced_between_60_and_110_seconds_after_it_was_stopped() {
    for stopped_at_ms in (120_000..130_000).step_by(500) {
        let mut world = World::new();
        world.probe_takes = Duration::from_secs(5);
        world.ask(Request::Start);
        world.run(Duration::from_millis(stopped_at_ms), Probe::Good);
        world.vitals.is_stopped = true;

        world.run(300 * SECOND, Probe::Bad);

        let took = world.spawns[1] - Duration::from_millis(stopped_at_ms);
        assert!(
            took >= 60 * SECOND && took <= 110 * SECOND,
            "stopped at {stopped_at_ms} ms: {took:?}"
        );
        let shown = world
            .phases
            .iter()
            .find(|(_, phase)| phase.name() == "unresponsive");
        let shown = shown.unwrap().0 - Duration::from_millis(stopped_at_ms);
        assert!(shown <= 45 * SECOND, "{shown:?}");
    }
}

#[test]
fn a_busy_child_keeps_its_work_for_a_quarter_of_an_hour() {
    let mut world = silent_at_two_minutes();
    world.works = true;

    // Unresponsive from 140 s on.
    world.run((140 + 890) * SECOND, Probe::Bad);
    assert_eq!(
        *world.machine.phase(),
        Phase::Unresponsive {
            pid: 1,
            is_long: true
        }
    );
    assert_eq!(world.spawns.len(), 1);
    world.run((140 + 920) * SECOND, Probe::Bad);

    assert_eq!(world.spawns.len(), 2, "even a busy one is replaced at last");
    let long = world
        .phases
        .iter()
        .find(|(_, phase)| matches!(phase, Phase::Unresponsive { is_long: true, .. }));
    assert_eq!(long.unwrap().0.as_secs(), 140 + 300);
}

#[test]
fn ten_busy_minutes_and_a_late_answer_cost_nothing() {
    let mut world = silent_at_two_minutes();
    world.works = true;

    world.run(720 * SECOND, Probe::Bad);
    world.run(740 * SECOND, Probe::Good);

    assert_eq!(*world.machine.phase(), Phase::Healthy { pid: 1 });
    assert_eq!(world.spawns.len(), 1);
}

#[test]
fn work_that_ends_is_followed_by_a_verdict() {
    let mut world = silent_at_two_minutes();
    world.works = true;
    world.run(300 * SECOND, Probe::Bad);

    world.works = false;
    world.run(345 * SECOND, Probe::Bad);

    let replaced = world.spawns[1];
    assert!(
        replaced >= 320 * SECOND && replaced <= 341 * SECOND,
        "{replaced:?}"
    );
}

#[test]
fn nothing_is_held_against_a_child_that_slept_as_we_did() {
    let mut world = silent_at_two_minutes();
    // Two misses are on record when the machine goes to sleep.
    world.run(135 * SECOND, Probe::Bad);
    world.now = 7_200 * SECOND;
    world.tell(Event::Woke);

    world.run(7_214 * SECOND, Probe::Bad);
    assert_eq!(*world.machine.phase(), Phase::Healthy { pid: 1 });
    world.run(7_300 * SECOND, Probe::Good);

    assert_eq!(
        world
            .names()
            .iter()
            .filter(|name| **name == "unresponsive")
            .count(),
        0
    );
    assert_eq!(world.spawns.len(), 1);
}

#[test]
fn a_hung_child_is_given_fifteen_seconds_after_a_sleep() {
    let mut world = silent_at_two_minutes();
    world.vitals.is_stopped = true;
    world.run(190 * SECOND, Probe::Bad);
    assert_eq!(world.machine.phase().name(), "unresponsive");
    world.now = 7_200 * SECOND;
    world.tell(Event::Woke);

    world.run(7_215 * SECOND, Probe::Bad);
    assert_eq!(world.spawns.len(), 1);
    world.run(7_290 * SECOND, Probe::Bad);

    assert_eq!(world.spawns.len(), 2);
    assert!(
        world.spawns[1] >= 7_260 * SECOND,
        "the silence counts anew, and is a minute long again"
    );
}

#[test]
fn a_start_that_was_slept_through_gets_its_time_anew() {
    let mut world = World::new();
    world.ask(Request::Start);
    world.run(60 * SECOND, Probe::Bad);
    world.now = 7_200 * SECOND;
    world.tell(Event::Woke);

    world.run(7_300 * SECOND, Probe::Bad);

    assert_eq!(world.machine.phase().name(), "starting");
    assert_eq!(world.spawns.len(), 1);
}

#[test]
fn what_the_system_has_no_room_for_is_tried_again_and_not_counted() {
    let mut world = World::new();
    let now = |at: Duration| Now {
        steady: world.begin + at,
        wall: WALL + at,
    };
    let policy = world.policy.clone();
    let machine = &mut world.machine;
    machine.handle(Event::Asked(Request::Start), now(Duration::ZERO), &policy, 0.5);
    let mut at = Duration::ZERO;

    for _ in 0..20 {
        machine.handle(Event::Prepared(Ok(())), now(at), &policy, 0.5);
        let refusal = Refusal::Exhausted("too many open files".to_owned());
        machine.handle(Event::NotSpawned(refusal), now(at), &policy, 0.5);
        assert!(
            matches!(machine.phase(), Phase::Backoff { failures: 0, .. }),
            "{:?}",
            machine.phase()
        );
        at = machine.wake_at(&policy).unwrap() - world.begin;
        machine.handle(Event::Tick, now(at), &policy, 0.5);
    }

    assert!(at >= 2 * SECOND && at <= 20 * SECOND, "{at:?}");
}

#[test]
fn a_hang_is_remembered_with_its_reason() {
    let mut world = silent_at_two_minutes();
    world.keeps_ended = true;
    world.run(201 * SECOND, Probe::Bad);

    assert_eq!(
        world.machine.end_reason(),
        Some("it has not answered for 60 s and does nothing")
    );
}
