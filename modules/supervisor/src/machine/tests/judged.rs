//! Ends whose last words say more than that the child ended.

use super::*;

fn throttled() -> Refusal {
    Refusal::Throttled {
        cause: "too many tries".to_owned(),
        first: 60 * SECOND,
        longest: 1_800 * SECOND,
    }
}

fn end(world: &mut World, judged: Refusal) {
    world.alive = false;
    world.tell(Event::Exited {
        cause: "it ended with exit code 1".to_owned(),
        port_lost: false,
        judged: Some(judged),
    });
}

#[test]
fn a_service_that_wants_fewer_tries_gets_fewer_and_no_crash_loop_is_found() {
    let mut world = World::new();
    world.tell(Event::Asked(Request::Start));

    while world.now < 3_600 * SECOND {
        end(&mut world, throttled());
        let Some(due) = world.machine.wake_at(&world.policy) else {
            panic!("a throttled child waits for a time");
        };
        world.now = due - world.begin;
        world.tell(Event::Tick);
    }

    let in_first_hour = world.spawns.iter().filter(|at| **at < 3_600 * SECOND).count();
    assert!(in_first_hour <= 6, "{:?}", world.spawns);
    assert!(
        world.spawns.windows(2).all(|two| two[1] - two[0] >= 60 * SECOND),
        "{:?}",
        world.spawns
    );
    assert!(
        !world
            .phases
            .iter()
            .any(|(_, phase)| matches!(phase, Phase::Degraded { .. }))
    );
}

#[test]
fn an_hour_without_a_network_is_not_held_against_the_first_try_with_one() {
    let mut world = World::new();
    world.tell(Event::Asked(Request::Start));
    let offline = Refusal::Throttled {
        cause: "offline".to_owned(),
        first: 2 * SECOND,
        longest: 45 * SECOND,
    };

    let mut wait_after = |judged: Refusal| {
        end(&mut world, judged);
        let due = world.machine.wake_at(&world.policy).expect("it is tried again");
        let wait = due - world.begin - world.now;
        world.now = due - world.begin;
        world.tell(Event::Tick);
        wait
    };
    for _ in 0..80 {
        assert!(wait_after(offline.clone()) <= 50 * SECOND);
    }

    let first = wait_after(throttled());
    assert!((60 * SECOND..=66 * SECOND).contains(&first), "{first:?}");
    assert!(wait_after(offline) > 40 * SECOND);
    let second = wait_after(throttled());
    assert!((120 * SECOND..=132 * SECOND).contains(&second), "{second:?}");
}

#[test]
fn words_that_call_for_a_person_end_the_tries() {
    let mut world = World::new();
    world.tell(Event::Asked(Request::Start));

    end(
        &mut world,
        Refusal::Permanent {
            reason: "the token is no token".to_owned(),
            recheck: None,
        },
    );

    assert_eq!(world.spawns.len(), 1);
    assert_eq!(world.machine.wake_at(&world.policy), None);
    assert_eq!(
        *world.machine.phase(),
        Phase::NeedsAction {
            cause: "the token is no token".to_owned(),
            recheck: None
        }
    );
}
