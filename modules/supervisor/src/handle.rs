//! What the rest of the program holds of a supervised child.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use tokio::sync::{mpsc, oneshot, watch};

use crate::{Phase, output::ring::Ring};

/// Why a child is stopped; decides how long it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopKind {
    /// A person asked: up to 10 s before it is killed.
    User,
    /// The agent quits, the session ends or an update waits: up to 5 s.
    Quit,
    /// Killed at once.
    Now,
}

/// What a person or another part asks of a child. The last request decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Have it running; nothing happens when it runs or starts already. Ends waiting of any kind.
    Start,
    /// Have it not running. Beats every pending restart.
    Stop(StopKind),
    /// Have it running anew.
    Restart,
    /// The same, because it held too much memory.
    Recycle,
}

/// The supervisor is gone or on its way out, so nothing can be asked of the child any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the supervisor of this process has ended")]
pub struct Ended;

/// A request and the call that waits for it to be taken.
pub(crate) type Call = (Request, oneshot::Sender<()>);

/// What the driver publishes and every handle reads.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) restarts: AtomicU32,
    pub(crate) since: Mutex<SystemTime>,
    pub(crate) ring: Mutex<Ring>,
    /// Bytes the child has printed.
    pub(crate) printed: AtomicU64,
}

/// A clone of the one grip on a supervised child. Dropping it stops nothing.
#[derive(Debug)]
pub struct Handle<R> {
    pub(crate) calls: mpsc::Sender<Call>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) run: watch::Receiver<Option<R>>,
    pub(crate) memory: watch::Receiver<Option<u64>>,
    pub(crate) published: Arc<Published>,
}

impl<R> Clone for Handle<R> {
    fn clone(&self) -> Self {
        Self {
            calls: self.calls.clone(),
            phase: self.phase.clone(),
            run: self.run.clone(),
            memory: self.memory.clone(),
            published: Arc::clone(&self.published),
        }
    }
}

impl<R> Handle<R> {
    /// Has the child running and waits until that worked or failed once. Dropping the future cancels nothing.
    ///
    /// # Errors
    /// [`Ended`] when the supervisor has ended or is ending. Before it runs, the call waits for it.
    pub async fn start(&self) -> Result<Phase, Ended> {
        self.ask(Request::Start).await
    }

    /// Ends the child with its whole tree, and waits for that.
    ///
    /// # Errors
    /// [`Ended`] when the supervisor has ended or is ending. Before it runs, the call waits for it.
    pub async fn stop(&self, kind: StopKind) -> Result<Phase, Ended> {
        self.ask(Request::Stop(kind)).await
    }

    /// Ends the child if it runs, and starts it; waits as [`Handle::start`] does.
    ///
    /// # Errors
    /// [`Ended`] when the supervisor has ended or is ending. Before it runs, the call waits for it.
    pub async fn restart(&self) -> Result<Phase, Ended> {
        self.ask(Request::Restart).await
    }

    /// Hands over a request without waiting for what comes of it.
    ///
    /// # Errors
    /// [`Ended`] when the supervisor has ended or is ending. Before it runs, the call waits for it.
    pub async fn request(&self, request: Request) -> Result<(), Ended> {
        let (taken, was_taken) = oneshot::channel();
        self.calls.send((request, taken)).await.map_err(|_closed| Ended)?;
        was_taken.await.map_err(|_closed| Ended)
    }

    async fn ask(&self, request: Request) -> Result<Phase, Ended> {
        let mut phase = self.phase.clone();
        self.request(request).await?;
        let settled = phase.wait_for(Phase::is_settled).await.map_err(|_closed| Ended)?;
        Ok(settled.clone())
    }

    /// Where the child stands. The receiver outlives the supervisor and then keeps the last phase.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    /// What the running child is known by. `Some` from the moment it is proven healthy until it is asked to end or
    /// has ended; kept while it is merely unresponsive.
    pub fn run(&self) -> watch::Receiver<Option<R>> {
        self.run.clone()
    }

    /// Bytes of memory the child's whole tree holds, looked at about once a minute; `None` while it is not known.
    pub fn memory(&self) -> watch::Receiver<Option<u64>> {
        self.memory.clone()
    }

    /// The last `lines` lines of output, oldest first, without colour codes; across restarts.
    pub fn output_tail(&self, lines: usize) -> Vec<String> {
        self.lock_ring().tail(lines)
    }

    /// How often the child was started again without having been asked for, since the agent began.
    pub fn restarts(&self) -> u32 {
        self.published.restarts.load(Ordering::Relaxed)
    }

    /// Since when the phase is of its present kind (wall clock).
    pub fn since(&self) -> SystemTime {
        *self
            .published
            .since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        // The ring holds finished lines only, so it is usable even after a panic elsewhere.
        self.published.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
