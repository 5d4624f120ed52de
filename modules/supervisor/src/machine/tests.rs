use super::*;
use crate::StopKind;

mod judged;
mod stalls;

/// A machine in simulated time, with a driver that does what it is told at once.
struct World {
    machine: Machine,
    policy: Policy,
    begin: Instant,
    now: Duration,
    /// When each child was spawned.
    spawns: Vec<Duration>,
    alive: bool,
    /// What is being asked, to be answered by the story.
    asked: Vec<Effect>,
    /// Every phase there was, with the time it began.
    phases: Vec<(Duration, Phase)>,
    /// What a look at the child finds.
    vitals: Vitals,
    /// Between two looks it computes.
    works: bool,
    /// How long a missed probe takes to be missed.
    probe_takes: Duration,
    /// A child that is to end is left as it is.
    keeps_ended: bool,
}

const SECOND: Duration = Duration::from_secs(1);
const WALL: SystemTime = SystemTime::UNIX_EPOCH;

impl World {
    fn new() -> Self {
        Self {
            machine: Machine::new(),
            policy: Policy::default(),
            begin: Instant::now(),
            now: Duration::ZERO,
            spawns: vec![],
            alive: false,
            asked: vec![],
            phases: vec![(Duration::ZERO, Phase::Stopped)],
            vitals: Vitals::default(),
            works: false,
            probe_takes: Duration::ZERO,
            keeps_ended: false,
        }
    }

    fn tell(&mut self, event: Event) {
        let mut events = std::collections::VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = Now {
                steady: self.begin + self.now,
                wall: WALL + self.now,
            };
            for effect in self.machine.handle(event, now, &self.policy, 1.0) {
                match effect {
                    Effect::Prepare => events.push_back(Event::Prepared(Ok(()))),
                    Effect::Spawn { .. } => {
                        assert!(!self.alive, "never two children");
                        self.alive = true;
                        self.spawns.push(self.now);
                        events.push_back(Event::Spawned(u32::try_from(self.spawns.len()).unwrap()));
                    }
                    Effect::Look => {
                        if self.works {
                            self.vitals.cpu += SECOND;
                        }
                        events.push_back(Event::Looked(self.vitals));
                    }
                    Effect::Probe(_) | Effect::Verify | Effect::End(_) => self.asked.push(effect),
                    Effect::Forget => {}
                }
            }
            let phase = self.machine.phase().clone();
            if self.phases.last().is_none_or(|(_, last)| *last != phase) {
                self.phases.push((self.now, phase));
            }
        }
    }

    fn ask(&mut self, request: Request) {
        self.tell(Event::Asked(request));
    }

    fn exit(&mut self, cause: &str) {
        self.alive = false;
        self.tell(Event::Exited {
            cause: cause.to_owned(),
            port_lost: false,
            judged: None,
        });
    }

    /// The child being ended does end, and its tree after it.
    fn end(&mut self) {
        if self.keeps_ended {
            return;
        }
        self.vitals = Vitals::default();
        self.exit("asked to");
        self.tell(Event::Gone);
    }

    /// Lets the time run to `until`; probes are answered with `probe`, the gate is open.
    fn run(&mut self, until: Duration, probe: Probe) {
        loop {
            while let Some(asked) = self.asked.pop() {
                match asked {
                    Effect::Probe(_) if probe == Probe::Bad && !self.probe_takes.is_zero() => {
                        let answered = self.now + self.probe_takes;
                        self.tick_until(answered);
                        self.tell(Event::Probed(probe));
                    }
                    Effect::Probe(_) => self.tell(Event::Probed(probe)),
                    Effect::Verify => self.tell(Event::Verified(Ok(()))),
                    Effect::End(_) => self.end(),
                    Effect::Prepare | Effect::Spawn { .. } | Effect::Look | Effect::Forget => {}
                }
            }
            let due = self.machine.wake_at(&self.policy).map(|due| due - self.begin);
            match due.filter(|&due| due <= until) {
                Some(due) => {
                    self.now = self.now.max(due);
                    self.tell(Event::Tick);
                }
                None => break,
            }
        }
        self.now = until;
    }

    /// Lets the time run to `until` while an answer is awaited.
    fn tick_until(&mut self, until: Duration) {
        while let Some(due) = self.machine.wake_at(&self.policy).map(|due| due - self.begin)
            && due <= until
            && self.asked.is_empty()
        {
            self.now = self.now.max(due);
            self.tell(Event::Tick);
        }
        self.now = self.now.max(until);
    }

    /// As [`World::run`], and every child ends as soon as it was started.
    fn run_crashing(&mut self, until: Duration, cause: &str) {
        while self.now < until {
            if self.alive {
                self.exit(cause);
            }
            match self.machine.wake_at(&self.policy).map(|due| due - self.begin) {
                Some(due) if due <= until => {
                    self.now = self.now.max(due);
                    self.tell(Event::Tick);
                }
                Some(_) | None => self.now = until,
            }
        }
    }

    fn names(&self) -> Vec<&'static str> {
        self.phases.iter().map(|(_, phase)| phase.name()).collect()
    }
}

#[test]
fn a_child_that_ends_at_once_is_given_up_after_the_fifth_time() {
    let mut world = World::new();

    world.ask(Request::Start);
    world.run_crashing(60 * SECOND, "opencode ended with exit code 0");

    assert!(world.spawns.len() <= 6, "{:?}", world.spawns);
    assert_eq!(world.spawns, [0, 1, 3, 7, 15].map(Duration::from_secs));
    assert_eq!(
        *world.machine.phase(),
        Phase::Degraded {
            cause: "opencode ended with exit code 0".to_owned(),
            retry_at: Some(WALL + 15 * SECOND + 330 * SECOND),
        }
    );

    world.run_crashing(3_600 * SECOND, "boom");
    assert_eq!(world.spawns.len(), 5 + (3_600 - 15) / 330);
    let degraded = world.phases.iter().rfind(|(_, phase)| phase.name() == "degraded");
    assert_eq!(degraded.unwrap().1.cause(), Some("boom"));
}

#[test]
fn a_crash_now_and_then_is_mended_at_once_every_time() {
    let mut world = World::new();
    world.ask(Request::Start);

    for round in 1..=12 {
        world.run(round * 300 * SECOND, Probe::Good);
        assert_eq!(world.machine.phase().name(), "healthy");
        world.exit("opencode was ended by signal 9");
        assert_eq!(*world.spawns.last().unwrap(), round * 300 * SECOND);
    }

    assert!(!world.names().contains(&"degraded"));
    assert!(!world.names().contains(&"backoff"));
}

#[test]
fn a_slow_start_is_called_slow_and_left_alone() {
    let mut world = World::new();
    world.ask(Request::Start);

    world.run(100 * SECOND, Probe::Bad);
    world.run(101 * SECOND, Probe::Good);

    assert_eq!(
        world.phases[1..3],
        [
            (Duration::ZERO, Phase::Starting { is_slow: false }),
            (15 * SECOND, Phase::Starting { is_slow: true }),
        ]
    );
    assert_eq!(world.phases[3].1, Phase::Healthy { pid: 1 });
    assert!(world.phases[3].0 <= Duration::from_millis(100_250));
    assert_eq!(world.spawns.len(), 1);
}

#[test]
fn a_child_that_never_gets_ready_is_ended_and_counted() {
    let mut world = World::new();
    world.ask(Request::Start);

    world.run(120 * SECOND + SECOND / 2, Probe::Bad);

    assert_eq!(
        world.names(),
        ["stopped", "starting", "starting", "stopping", "backoff"]
    );
    assert_eq!(world.phases[3].0, 120 * SECOND);
    assert_eq!(
        world.machine.phase().cause(),
        Some("it was not ready within 120 s")
    );
}

#[test]
fn a_stop_during_backoff_is_final() {
    let mut world = World::new();
    world.ask(Request::Start);
    world.run_crashing(8 * SECOND, "boom");
    assert_eq!(world.spawns.len(), 4);
    assert_eq!(world.machine.phase().name(), "backoff");

    world.ask(Request::Stop(StopKind::User));
    world.run(600 * SECOND, Probe::Good);

    assert_eq!(*world.machine.phase(), Phase::Stopped);
    assert_eq!(world.spawns.len(), 4);
}

#[test]
fn the_last_of_many_requests_decides() {
    for last in [Request::Start, Request::Stop(StopKind::User), Request::Restart] {
        let mut world = World::new();
        for n in 0..200 {
            world.now = n * SECOND / 100;
            world.ask(if n % 2 == 0 {
                Request::Start
            } else {
                Request::Stop(StopKind::User)
            });
            // Children take a while to end: three requests come in between.
            if n % 4 == 3 && world.asked.pop().is_some() {
                world.end();
            }
        }
        world.ask(last);
        world.run(60 * SECOND, Probe::Good);

        let expected = if last == Request::Stop(StopKind::User) {
            "stopped"
        } else {
            "healthy"
        };
        assert_eq!(world.machine.phase().name(), expected, "after {last:?}");
    }
}

#[test]
fn three_missed_probes_are_unresponsive_and_one_good_one_heals() {
    let mut world = World::new();
    world.ask(Request::Start);
    world.run(SECOND, Probe::Good);

    world.run(29 * SECOND, Probe::Bad);
    assert_eq!(world.machine.phase().name(), "healthy");
    world.run(31 * SECOND, Probe::Bad);
    assert_eq!(
        *world.machine.phase(),
        Phase::Unresponsive {
            pid: 1,
            is_long: false
        }
    );
    world.run(41 * SECOND, Probe::Good);
    assert_eq!(*world.machine.phase(), Phase::Healthy { pid: 1 });
    assert_eq!(world.spawns.len(), 1);
}

#[test]
fn a_lost_port_is_chosen_anew_three_times_and_then_counts() {
    let mut world = World::new();
    world.ask(Request::Start);
    let lose = |world: &mut World| {
        world.alive = false;
        world.tell(Event::Exited {
            cause: "ServeError".to_owned(),
            port_lost: true,
            judged: None,
        });
    };

    for _ in 0..3 {
        lose(&mut world);
        assert_eq!(world.machine.phase().name(), "starting");
    }
    assert_eq!(world.spawns.len(), 4);
    lose(&mut world);

    assert!(matches!(
        world.machine.phase(),
        Phase::Backoff { failures: 1, .. }
    ));
}

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

mod any_order {
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
}
