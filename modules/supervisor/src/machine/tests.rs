use super::*;
use crate::StopKind;

mod any_order;
mod judged;
mod refused;
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
