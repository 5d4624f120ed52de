//! Performs what the machine decides, and tells it what happened.

mod asking;
mod child;
mod endings;
mod publishing;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    path::PathBuf,
    process::ExitStatus,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
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
    child::{Child, Remains, describe, drain_of},
    endings::{REMAINS, shorten},
};
use crate::{
    Command, Grace, Handle, Phase, Policy, Program, Request, Sink, StopKind,
    gate::Fault,
    handle::{Call, Published},
    machine::{Effect, Event, Machine, Now},
    output::drain::Drain,
    record,
};

/// Requests waiting to be taken; more callers wait for room.
const CALLS_WAITING_MAX: usize = 16;

/// How often a healthy child's tree is looked at. It costs a file or two per thread and process of the tree, and only
/// descendants that cleared their environment *and* lost their parent depend on it.
const LOOK_AROUND_EVERY: Duration = Duration::from_secs(60);

/// What a supervisor needs besides the program.
pub struct Setup {
    /// Private folder for the child's record.
    pub records: PathBuf,
    /// The figures; a change counts from the next decision on.
    pub policy: watch::Receiver<Policy>,
    /// Takes the child's output.
    pub sink: Arc<dyn Sink>,
}

/// Owns one child. Made stopped; the first [`Handle::start`] starts it.
pub struct Supervisor<P: Program> {
    program: Arc<P>,
    setup: Setup,
    calls: mpsc::Receiver<Call>,
    phase: watch::Sender<Phase>,
    run: watch::Sender<Option<P::Run>>,
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
        });
        let handle = Handle {
            calls: calls_in,
            phase: phase_seen,
            run: run_seen,
            published: Arc::clone(&published),
        };
        let supervisor = Self {
            program,
            setup,
            calls,
            phase,
            run,
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
            taken: Vec::new(),
        }
        .serve(stop)
        .await;
    }

    async fn remove_leftovers(&self) {
        let role = self.program.role();
        match record::remove_leftovers(&self.setup.records, role).await {
            Ok(0) => {}
            Ok(processes) => tracing::warn!(role, processes, "ended what an earlier agent left running"),
            Err(error) => {
                tracing::warn!(role, %error, "leftovers of an earlier agent could not be looked for")
            }
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
            let events = match self.wait(&stop, is_stopping).await {
                Woken::Stop => {
                    is_stopping = true;
                    let grace = self.supervisor.setup.policy.borrow().quit;
                    self.graces.values().for_each(|given| shorten(given, grace));
                    vec![Event::Asked(Request::Stop(StopKind::Quit))]
                }
                // What is asked while everything ends could only be a start too late, or more haste.
                Woken::Call((Request::Start | Request::Restart, _)) if is_stopping => vec![],
                Woken::Call((request, taken)) => {
                    self.taken.push(taken);
                    if request == Request::Stop(StopKind::Now) {
                        self.graces.values().for_each(|given| shorten(given, Grace::NONE));
                    }
                    vec![Event::Asked(request)]
                }
                Woken::Exit(status) => self.exited(status).await,
                Woken::Answer(answer) => self.answered(answer),
                Woken::Ended(number) => self.ended(number),
                Woken::Time => vec![Event::Tick],
                Woken::Idle => vec![],
            };
            self.apply(events);
        }
    }

    async fn wait(&mut self, stop: &CancellationToken, is_stopping: bool) -> Woken<P::Run> {
        let due = {
            let policy = self.supervisor.setup.policy.borrow();
            self.machine.wake_at(&policy).map(Instant::from_std)
        };
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
                if !is_starting && self.looked_around.elapsed() >= LOOK_AROUND_EVERY {
                    self.look_around();
                }
                None
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
                self.end(grace);
                None
            }
            Effect::Forget => {
                self.awaited = None;
                self.asking = None;
                self.prepared = None;
                None
            }
        }
    }

    fn spawn(&mut self, is_restart: bool) -> Event {
        let Some((command, run)) = self.prepared.take() else {
            return Event::NotSpawned(crate::Refusal::Transient("nothing was prepared".to_owned()));
        };
        let role = self.supervisor.program.role();
        let records = self.supervisor.setup.records.clone();
        match Child::spawn(role, command, run, self.drain.clone(), records) {
            Ok(child) => {
                let pid = child.pid();
                tracing::info!(role, pid, port = child.port, "started");
                self.child = Some(child);
                if is_restart {
                    self.supervisor.published.restarts.fetch_add(1, Ordering::Relaxed);
                }
                Event::Spawned(pid)
            }
            Err(refusal) => Event::NotSpawned(refusal),
        }
    }

    fn answered(&mut self, answer: Answer<P::Run>) -> Vec<Event> {
        self.asking = None;
        vec![match answer {
            Answer::Prepared(Ok(prepared)) => {
                self.prepared = Some(prepared);
                Event::Prepared(Ok(()))
            }
            Answer::Prepared(Err(refusal)) => Event::Prepared(Err(refusal)),
            Answer::Probed(probe) => Event::Probed(probe),
            Answer::Verified(Ok(())) => Event::Verified(Ok(())),
            Answer::Verified(Err(Fault::Refused(refusal))) => Event::Verified(Err(refusal)),
            Answer::Verified(Err(Fault::PortLost)) => Event::PortLost,
        }]
    }

    async fn exited(&mut self, status: std::io::Result<ExitStatus>) -> Vec<Event> {
        let role = self.supervisor.program.role();
        self.asking = None;
        let Some(mut child) = self.child.take() else {
            return vec![];
        };
        let is_starting = matches!(self.machine.phase(), Phase::Starting { .. });
        let policy = self.supervisor.setup.policy.borrow().clone();
        let now = Instant::now().into_std();
        // Nothing may stand between the end of a child that worked and its next start.
        let cause = if self.awaited.is_some() || self.machine.restarts_at_once(now, &policy) {
            describe(role, &status)
        } else {
            child.cause(role, &status).await
        };
        let port_lost = is_starting && child.has_lost_port_blocking();
        tracing::info!(role, pid = child.pid(), %cause, "ended");
        if self.awaited.is_none() {
            self.end_tree(
                Remains {
                    tree: child.tree,
                    readers: child.readers,
                    recorded: child.recorded,
                },
                REMAINS,
                Box::pin(std::future::ready(())),
            );
        }
        vec![Event::Exited { cause, port_lost }]
    }

    /// Now and then, while all is well: remembers the tree and takes note of adopted processes that ended.
    fn look_around(&mut self) {
        let Some(child) = &self.child else { return };
        self.looked_around = Instant::now();
        child.tree.glance_blocking();
        os::reap_adopted(&[child.pid()], &mut self.ended_zombies);
    }
}
