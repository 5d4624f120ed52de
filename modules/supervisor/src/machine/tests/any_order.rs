//! Whatever happens in whatever order.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Ask(Request),
    Exit,
    Wait(u64),
    Answer(bool),
    Look(Vitals),
    Sleep(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Ask(Request::Start)),
        Just(Step::Ask(Request::Stop(StopKind::User))),
        Just(Step::Ask(Request::Stop(StopKind::Now))),
        Just(Step::Ask(Request::Restart)),
        Just(Step::Exit),
        (0_u64..400_000).prop_map(Step::Wait),
        any::<bool>().prop_map(Step::Answer),
        (any::<bool>(), 0_u64..3).prop_map(|(is_stopped, progress)| Step::Look(Vitals {
            is_stopped,
            progress,
            ..Vitals::default()
        })),
        (0_u64..100_000).prop_map(Step::Sleep),
    ]
}

/// At least so many; more when the environment asks for them.
fn cases(least: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.max(least),
        ..usual
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    /// Whatever happens in whatever order: never two children (the world asserts it), a stop is final until
    /// somebody asks again, and nothing but waiting for a person is without an end.
    #[test]
    fn one_child_and_stop_wins(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        let mut is_wanted = false;
        for step in steps {
            match step {
                Step::Ask(request) => {
                    is_wanted = !matches!(request, Request::Stop(_));
                    world.ask(request);
                }
                Step::Exit if world.alive => world.exit("boom"),
                Step::Exit => {}
                Step::Wait(ms) => {
                    let until = world.now + Duration::from_millis(ms);
                    let probe = if ms % 2 == 0 { Probe::Good } else { Probe::Bad };
                    world.run(until, probe);
                }
                Step::Look(vitals) => world.tell(Event::Looked(vitals)),
                Step::Sleep(seconds) => {
                    world.now += Duration::from_secs(seconds);
                    world.tell(Event::Woke);
                }
                Step::Answer(is_good) => match world.asked.pop() {
                    Some(Effect::Probe(_)) => {
                        world.tell(Event::Probed(if is_good { Probe::Good } else { Probe::Bad }));
                    }
                    Some(Effect::Verify) => {
                        let verdict = if is_good { Ok(()) } else { Err(Refusal::Transient("no".to_owned())) };
                        world.tell(Event::Verified(verdict));
                    }
                    Some(Effect::End(_)) if world.alive => world.end(),
                    Some(Effect::End(_)) => world.tell(Event::Gone),
                    Some(Effect::Prepare | Effect::Spawn { .. } | Effect::Look | Effect::Forget) | None => {}
                },
            }
            // A child that is not wanted is on its way out.
            if world.alive && !is_wanted {
                prop_assert_eq!(world.machine.phase().name(), "stopping");
            }
        }
        let spawned = world.spawns.len();
        if !is_wanted {
            world.run(world.now + 3_600 * SECOND, Probe::Good);
            // The end of a child may have been answered before: the tree is gone by now in any case.
            world.tell(Event::Gone);
            prop_assert_eq!(world.machine.phase(), &Phase::Stopped);
            prop_assert_eq!(world.spawns.len(), spawned);
        } else if matches!(world.machine.phase(), Phase::Starting { .. }) {
            world.run(world.now + 3_600 * SECOND, Probe::Good);
            prop_assert!(world.machine.phase().is_settled());
        }
    }
}
