//! Hashing passwords costs a tenth of a second and 19 MiB each, so it is rationed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kit::Listener;
use tokio::sync::Semaphore;

/// Hashes computed at once.
const AT_ONCE: usize = 2;

/// Of those, how many for the tunnel: the owner at the machine is never kept out by a storm from outside.
const TUNNEL_AT_ONCE: usize = 1;

/// Attempts that wait, per listener: together no more than 16.
const QUEUE_MAX: usize = 8;

/// How long one waits.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The pool. Dropping it does not end a hash that has begun.
pub struct Hashing {
    places: Arc<Semaphore>,
    tunnel_places: Arc<Semaphore>,
    waiting: [AtomicUsize; 2],
}

/// Too many attempts are being made: try again in a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked")]
pub struct Busy;

impl Default for Hashing {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
            tunnel_places: Arc::new(Semaphore::new(TUNNEL_AT_ONCE)),
            waiting: Default::default(),
        }
    }
}

impl Hashing {
    /// Runs `work` on a blocking thread when it is its turn.
    ///
    /// # Errors
    /// [`Busy`] when the queue is full or the turn did not come in time, or `work` panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        listener: Listener,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let _place_in_queue = self.queue(listener)?;
        let turn = async {
            let tunnel = match listener {
                Listener::Local => None,
                Listener::Tunnel => Some(Arc::clone(&self.tunnel_places).acquire_owned().await),
            };
            (tunnel, Arc::clone(&self.places).acquire_owned().await)
        };
        let permits = tokio::time::timeout(WAIT_MAX, turn).await.map_err(|_late| Busy)?;
        let hashing = tokio::task::spawn_blocking(move || {
            let done = work();
            // Held to the end even if nobody waits any more: it is the memory that is rationed.
            drop(permits);
            done
        });
        hashing.await.map_err(|_panicked| Busy)
    }

    fn queue(&self, listener: Listener) -> Result<Waiting<'_>, Busy> {
        let waiting = &self.waiting[usize::from(listener == Listener::Tunnel)];
        let more = |count: usize| (count < QUEUE_MAX + AT_ONCE).then_some(count + 1);
        waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .map_err(|_full| Busy)?;
        Ok(Waiting(waiting))
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_storm_from_outside_leaves_a_place_for_the_machine_itself() {
        let hashing = Arc::new(Hashing::default());
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let mut storm = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let (hashing, held) = (Arc::clone(&hashing), Arc::clone(&held));
            storm.spawn(async move {
                hashing
                    .run(Listener::Tunnel, move || held.lock().unwrap().recv().is_ok())
                    .await
            });
        }
        // Those that find the queue full are turned away at once.
        for _ in 0..(100 - QUEUE_MAX - AT_ONCE) {
            assert_eq!(storm.join_next().await.unwrap().unwrap(), Err(Busy));
        }

        let local = hashing.run(Listener::Local, || 7).await;

        assert_eq!(local, Ok(7));
        for _ in 0..100 {
            release.send(()).unwrap();
        }
        while let Some(outcome) = storm.join_next().await {
            assert_eq!(outcome.unwrap(), Ok(true));
        }
    }

    #[tokio::test]
    async fn no_more_than_two_run_at_once() {
        let hashing = Arc::new(Hashing::default());
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut attempts = tokio::task::JoinSet::new();
        for _ in 0..QUEUE_MAX {
            let (hashing, now, most) = (Arc::clone(&hashing), Arc::clone(&now), Arc::clone(&most));
            attempts.spawn(async move {
                let work = move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                };
                hashing.run(Listener::Local, work).await
            });
        }

        while let Some(outcome) = attempts.join_next().await {
            assert_eq!(outcome.unwrap(), Ok(()));
        }

        assert!(most.load(Ordering::SeqCst) <= AT_ONCE);
    }
}
