//! The operating system's keyring, asked from a thread of its own.
//!
//! A locked keyring answers when its owner has typed a password, or never. A thread that waits for it costs nothing
//! and does not keep the agent from ending; whoever asked has its answer after [`WAIT`].

#[cfg(target_os = "linux")]
#[path = "keyring/linux.rs"]
mod os;
#[cfg(not(target_os = "linux"))]
#[path = "keyring/other.rs"]
mod os;

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, SyncSender, TrySendError},
    },
    time::Duration,
};

use kit::{Dirs, Secret, SecretsError};
use tokio::sync::oneshot;

use os::Ring;

/// Longest any call takes.
const WAIT: Duration = Duration::from_secs(3);
/// Calls that wait behind one that is blocked.
const JOBS_MAX: usize = 16;

/// Something to do with the keyring.
type Job = Box<dyn FnOnce(&mut Ring) + Send>;

/// A handle on the keyring. Connects at the first call, and again after a failure, so that a service which starts
/// late is found.
pub(super) struct Keyring {
    service: String,
    jobs: Mutex<Option<SyncSender<Job>>>,
}

impl Keyring {
    /// The entries of the installation whose state folder is given.
    pub(super) fn new(state: &Path) -> Self {
        let is_usual = Dirs::resolve(None).is_ok_and(|usual| usual.state == state);
        let service = if is_usual {
            "opencode-nexus".to_owned()
        } else {
            format!("opencode-nexus {}", state.display())
        };
        Self {
            service,
            jobs: Mutex::new(None),
        }
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<Secret>, SecretsError> {
        let name = name.to_owned();
        self.ask(move |ring| ring.get(&name)).await
    }

    pub(super) async fn set(&self, name: &str, secret: Secret) -> Result<(), SecretsError> {
        let name = name.to_owned();
        self.ask(move |ring| ring.set(&name, &secret)).await
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), SecretsError> {
        let name = name.to_owned();
        self.ask(move |ring| ring.delete(&name)).await
    }

    pub(super) async fn names(&self) -> Result<Vec<String>, SecretsError> {
        self.ask(Ring::names).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Ring) -> Result<T, SecretsError> + Send + 'static,
    ) -> Result<T, SecretsError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |ring| {
            // Nobody waits any more: what was reported as failed must not happen later.
            if !answer.is_closed() {
                // The other end may go away in this moment; the answer is of no use then.
                drop(answer.send(act(ring)));
            }
        });
        self.hand_over(job)?;
        match tokio::time::timeout(WAIT, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_dropped)) => Err(SecretsError::Failed("its thread ended".to_owned())),
            Err(_waited) => Err(SecretsError::Locked),
        }
    }

    /// Gives a job to the thread, starting it when there is none.
    fn hand_over(&self, job: Job) -> Result<(), SecretsError> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.is_none() {
            *jobs = Some(start(Ring::new(self.service.clone()))?);
        }
        match jobs.as_ref().map(|sender| sender.try_send(job)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(SecretsError::Locked),
            Some(Err(TrySendError::Disconnected(_))) | None => {
                *jobs = None;
                Err(SecretsError::Failed("its thread ended".to_owned()))
            }
        }
    }
}

fn start(mut ring: Ring) -> Result<SyncSender<Job>, SecretsError> {
    let (sender, jobs) = mpsc::sync_channel::<Job>(JOBS_MAX);
    std::thread::Builder::new()
        .name("keyring".to_owned())
        .spawn(move || {
            for job in jobs {
                job(&mut ring);
            }
        })
        .map_err(|error| SecretsError::Failed(error.to_string()))?;
    Ok(sender)
}
