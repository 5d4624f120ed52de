//! Performs what the machine decides, and tells it what happened.

mod asking;
mod child;
mod endings;
mod happening;
mod publishing;
mod remains;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    path::PathBuf,
    process::ExitStatus,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use self::{
    asking::Answer,
    child::{Child, drain_of},
    endings::shorten,
};
use crate::{
    Command, End, Exit, Grace, Handle, Phase, Policy, Program, Request, Sink, StopKind, Vitals,
    handle::{Call, Published},
    machine::{Effect, Event, Machine, Now},
    output::drain::Drain,
    record,
    sleep::Sleep,
};

/// Requests waiting to be taken; more callers wait for room.
const CALLS_WAITING_MAX: usize = 16;

/// Ends waiting to be written down by whoever keeps the history; more are lost to it.
pub(crate) const ENDS_WAITING_MAX: usize = 64;

/// What a supervisor needs besides the program.
pub struct Setup {
    /// Private folder for the child's record.
    pub records: PathBuf,
    /// The figures; a change counts from the next decision on.
    pub policy: watch::Receiver<Policy>,
    /// Takes the child's output.
    pub sink: Arc<dyn Sink>,
    /// Takes what a history is made of. Never waited for.
    pub ends: mpsc::Sender<End>,
}

impl Setup {
    /// The way of ends from a supervisor to whoever keeps a history.
    pub fn ends() -> (mpsc::Sender<End>, mpsc::Receiver<End>) {
        mpsc::channel(ENDS_WAITING_MAX)
    }
}

/// Owns one child. Made stopped; the first [`Handle::start`] starts it.
pub struct Supervisor<P: Program> {
    program: Arc<P>,
    setup: Setup,
    calls: mpsc::Receiver<Call>,
    phase: watch::Sender<Phase>,
    run: watch::Sender<Option<P::Run>>,
    memory: watch::Sender<Option<u64>>,
    published: Arc<Published>,
}

impl<P: Program> Supervisor<P> {
    /// Wires; nothing runs before [`Supervisor::run`].
    pub fn new(program: Arc<P>, setup: Setup) -> (Self, Handle<P::Run>) {
        let (calls_in, calls) = mpsc::channel(CALLS_WAITING_MAX);
        let (phase, phase_seen) = watch::channel(Phase::Stopped);
        let (run, run_seen) = watch::channel(None);
        let published = Arc::new(Published {
            restarts: AtomicU32::new(0),
            since: Mutex::new(SystemTime::now()),
            ring: Mutex::default(),
            printed: AtomicU64::new(0),
        });
        let (memory, memory_seen) = watch::channel(None);
        let handle = Handle {
            calls: calls_in,
            phase: phase_seen,
            run: run_seen,
            memory: memory_seen,
            published: Arc::clone(&published),
        };
        let supervisor = Self {
            program,
            setup,
            calls,
            phase,
            run,
            memory,
            published,
        };
        (supervisor, handle)
    }

    /// Removes what an earlier agent left, then serves requests until told to stop; ends the child with
    /// [`StopKind::Quit`] then and returns once its tree is gone. May be called again.
    pub async fn run(&mut self, stop: CancellationToken) {
        self.remove_leftovers().await;
        let drain = drain_of(&self.setup.sink, &self.published);
        Drive {
            supervisor: self,
            machine: Machine::new(),
            drain,
            asking: None,
            prepared: None,
            child: None,
            awaited: None,
            endings: JoinSet::new(),
            graces: HashMap::new(),
            endings_begun: 0,
            ended_zombies: HashSet::new(),
            looked_around: Instant::now(),
            sleep: Sleep::new(os::slept()),
            answer_due: None,
            taken: Vec::new(),
        }
        .serve(stop)
        .await;
    }

    async fn remove_leftovers(&self) {
        let role = self.program.role();
        match record::remove_leftovers(&self.setup.records, role).await {
            Ok(None) => {}
            Ok(Some(processes)) => {
                tracing::warn!(
                    role,
                    processes,
                    "an earlier agent was killed; what it left running was ended"
                );
                self.remember(End {
                    at: SystemTime::now(),
                    ended: Instant::now().into_std(),
                    cause: format!("the agent was killed, and {role} ended with it"),
                    exit: Exit::Unknown,
                    ran_for: None,
                    last_output: vec![],
                });
            }
            Err(error) => {
                tracing::warn!(role, %error, "leftovers of an earlier agent could not be looked for")
            }
        }
    }
}

impl<P: Program> Supervisor<P> {
    fn remember(&self, end: End) {
        if let Err(error) = self.setup.ends.try_send(end) {
            tracing::debug!(%error, "an end is missing in the history");
        }
    }
}

/// One life of a supervisor.
struct Drive<'s, P: Program> {
    supervisor: &'s mut Supervisor<P>,
    machine: Machine,
    drain: Drain,
    /// What the program is being asked; never two things at once.
    asking: Option<BoxFuture<'static, Answer<P::Run>>>,
    prepared: Option<(Command, P::Run)>,
    child: Option<Child<P::Run>>,
    /// The ending the machine waits for.
    awaited: Option<u64>,
    /// Every tree on its way out; several when children end in quick succession. Each gives its number.
    endings: JoinSet<u64>,
    /// How much time each of them has.
    graces: HashMap<u64, watch::Sender<Grace>>,
    endings_begun: u64,
    ended_zombies: HashSet<u32>,
    looked_around: Instant,
    sleep: Sleep,
    /// When the answer to a probe is given up.
    answer_due: Option<Instant>,
    /// Callers told as soon as their request is in force.
    taken: Vec<oneshot::Sender<()>>,
}

/// What woke the loop.
enum Woken<R> {
    Stop,
    Call(Call),
    Exit(std::io::Result<ExitStatus>),
    Answer(Answer<R>),
    Ended(u64),
    Time,
    /// Nothing is left to wait for.
    Idle,
}

impl<P: Program> Drive<'_, P> {
    async fn serve(mut self, stop: CancellationToken) {
        let mut is_stopping = false;
        // An earlier life may have ended between two states.
        self.publish();
        loop {
            if is_stopping && *self.machine.phase() == Phase::Stopped && self.endings.is_empty() {
                break;
            }
            let due = self.due();
            let woken = self.wait(due, &stop, is_stopping).await;
            let has_slept = self.has_slept(due);
            let mut events = match woken {
                Woken::Stop => {
                    is_stopping = true;
                    let grace = self.supervisor.setup.policy.borrow().quit;
                    self.graces.values().for_each(|given| shorten(given, grace));
                    vec![Event::Asked(Request::Stop(StopKind::Quit))]
                }
                // What is asked while everything ends could only be a start too late, or more haste.
                Woken::Call((Request::Start | Request::Restart | Request::Recycle, _)) if is_stopping => {
                    vec![]
                }
                Woken::Call((request, taken)) => {
                    self.taken.push(taken);
                    if request == Request::Stop(StopKind::Now) {
                        self.graces.values().for_each(|given| shorten(given, Grace::NONE));
                    }
                    vec![Event::Asked(request)]
                }
                Woken::Exit(status) => self.exited(status).await,
                Woken::Answer(answer) => self.answered(answer),
                Woken::Ended(number) => self.ended(number).await,
                Woken::Time => vec![Event::Tick],
                Woken::Idle => vec![],
            };
            if has_slept {
                events.insert(0, Event::Woke);
            }
            self.apply(events);
        }
    }

    fn due(&self) -> Option<Instant> {
        let policy = self.supervisor.setup.policy.borrow();
        self.machine.wake_at(&policy).map(Instant::from_std)
    }

    /// Whether time passed that neither we nor the child could use. Asked after every wait: a clock is cheaper than a
    /// connection to the system's power service, and there on every system.
    fn has_slept(&mut self, due: Option<Instant>) -> bool {
        let due = [due, self.answer_due].into_iter().flatten().min();
        let has_slept =
            self.sleep
                .was_missed(os::slept(), due.map(Instant::into_std), Instant::now().into_std());
        if has_slept {
            let role = self.supervisor.program.role();
            tracing::info!(
                role,
                "time passed without us; nothing of it is held against the child"
            );
        }
        has_slept
    }

    async fn wait(
        &mut self,
        due: Option<Instant>,
        stop: &CancellationToken,
        is_stopping: bool,
    ) -> Woken<P::Run> {
        let exit = async {
            match &mut self.child {
                Some(child) => child.process.wait().await,
                None => std::future::pending().await,
            }
        };
        let answer = async {
            match &mut self.asking {
                Some(asking) => asking.await,
                None => std::future::pending().await,
            }
        };
        let time = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled(), if !is_stopping => Woken::Stop,
            status = exit => Woken::Exit(status),
            Some(call) = self.supervisor.calls.recv() => Woken::Call(call),
            Some(ended) = self.endings.join_next() => match ended {
                Ok(number) => Woken::Ended(number),
                Err(error) => {
                    tracing::error!(%error, "ending a process tree failed");
                    self.awaited.map_or(Woken::Idle, Woken::Ended)
                }
            },
            answer = answer => Woken::Answer(answer),
            () = time => Woken::Time,
        }
    }

    /// Lets the machine see `events` and everything that follows from them at once.
    fn apply(&mut self, events: Vec<Event>) {
        let mut events = VecDeque::from(events);
        while let Some(event) = events.pop_front() {
            let now = Now {
                steady: Instant::now().into_std(),
                wall: SystemTime::now(),
            };
            let policy = self.supervisor.setup.policy.borrow().clone();
            for effect in self.machine.handle(event, now, &policy, rand::random()) {
                events.extend(self.perform(effect));
            }
        }
        self.publish();
        for taken in self.taken.drain(..) {
            // Whoever asked may have gone.
            let _ = taken.send(());
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Event> {
        let program = Arc::clone(&self.supervisor.program);
        match effect {
            Effect::Prepare => {
                // A start does not wait for the old tree: that ends beside it.
                self.awaited = None;
                self.asking = Some(asking::prepare(program));
                None
            }
            Effect::Spawn { is_restart } => Some(self.spawn(is_restart)),
            Effect::Probe(limit) => {
                let child = self.child.as_ref()?;
                let is_starting = matches!(self.machine.phase(), Phase::Starting { .. });
                self.asking = Some(asking::probe(program, child.run.clone(), limit));
                self.answer_due = Some(Instant::now() + limit);
                let every = self.supervisor.setup.policy.borrow().look_around_every;
                if !is_starting && self.looked_around.elapsed() >= every {
                    self.look_around();
                }
                None
            }
            Effect::Look => {
                let child = self.child.as_ref()?;
                Some(Event::Looked(Vitals {
                    printed: self.supervisor.published.printed.load(Ordering::Relaxed),
                    progress: program.progress(&child.run),
                    ..child.tree.vitals_blocking()
                }))
            }
            Effect::Verify => {
                let child = self.child.as_ref()?;
                self.asking = Some(asking::verify(
                    program,
                    child.run.clone(),
                    child.tree.clone(),
                    child.port,
                ));
                None
            }
            Effect::End(grace) => {
                self.asking = None;
                self.answer_due = None;
                self.end(grace);
                None
            }
            Effect::Forget => {
                self.awaited = None;
                self.asking = None;
                self.answer_due = None;
                self.prepared = None;
                None
            }
        }
    }
}
