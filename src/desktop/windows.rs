//! Windows, shown by a process of their own that lives only as long as they do.

mod absence;
mod process;

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use gateway::Purpose;
use kit::{
    CancellationToken,
    window::{FromWindow, ToWindow},
};
use tokio::sync::{mpsc, oneshot};

use super::places::Places;
use crate::entrance::Entrance;
pub(crate) use absence::NoWindow;
use process::{Event, Process};

/// Requests that wait.
const ASKS_MAX: usize = 16;
/// How long a window may take to come up: the first one starts a web engine on a cold disk.
const SHOW_WAIT: Duration = Duration::from_secs(30);
/// How long the gateway may take until it serves.
const SERVE_WAIT: Duration = Duration::from_secs(10);

/// A request for a window.
struct Ask {
    path: String,
    answer: oneshot::Sender<Result<(), NoWindow>>,
}

/// Who waits for which window to come up.
type Waiting = HashMap<String, Vec<oneshot::Sender<Result<(), NoWindow>>>>;

/// Asks for windows. Cheap to clone.
#[derive(Clone)]
pub(super) struct Windows(mpsc::Sender<Ask>);

impl Windows {
    /// Shows `path` in the window of its first part: `/chat/ses_1` in `chat`.
    ///
    /// # Errors
    /// Why there is no window.
    pub(super) async fn show(&self, path: &str) -> Result<(), NoWindow> {
        let (answer, answered) = oneshot::channel();
        let ask = Ask {
            path: path.to_owned(),
            answer,
        };
        self.0.send(ask).await.map_err(|_| NoWindow::Ending)?;
        match tokio::time::timeout(SHOW_WAIT, answered).await {
            Ok(Ok(shown)) => shown,
            Ok(Err(_)) => Err(NoWindow::Ending),
            Err(_) => Err(NoWindow::Late(SHOW_WAIT)),
        }
    }
}

/// Owns the window process.
pub(super) struct WindowHost {
    pub(super) program: PathBuf,
    pub(super) data: PathBuf,
    pub(super) entrance: Arc<dyn Entrance>,
    pub(super) places: Places,
    pub(super) asks: Asks,
    /// Addresses of other sites that pages lead to.
    pub(super) links: mpsc::Sender<String>,
}

/// The end of [`Windows`] the host reads from.
pub(super) struct Asks(mpsc::Receiver<Ask>);

/// A handle and the end its host needs.
pub(super) fn channel() -> (Windows, Asks) {
    let (sender, receiver) = mpsc::channel(ASKS_MAX);
    (Windows(sender), Asks(receiver))
}

impl WindowHost {
    /// Lives until `stop`. No window is left then.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut process: Option<Process> = None;
        let mut waiting = Waiting::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ask) = self.asks.0.recv() => {
                    let name = name_of(&ask.path);
                    match self.open(&mut process, &name, &ask.path).await {
                        Ok(()) => waiting.entry(name).or_default().push(ask.answer),
                        // Whoever asked may have given up.
                        Err(reason) => drop(ask.answer.send(Err(reason))),
                    }
                }
                event = next_event(&mut process) => match event {
                    Event::Said(said) => self.hear(said, &mut waiting).await,
                    Event::Ended(how) => {
                        process = None;
                        for answer in waiting.drain().flat_map(|(_, answers)| answers) {
                            drop(answer.send(Err(how.clone())));
                        }
                    }
                },
            }
        }
        if let Some(process) = process {
            process.end().await;
        }
    }

    async fn open(&self, process: &mut Option<Process>, name: &str, path: &str) -> Result<(), NoWindow> {
        let mut url = self.entrance.local_url();
        let origin = match tokio::time::timeout(SERVE_WAIT, url.wait_for(Option::is_some)).await {
            Ok(Ok(url)) => url.clone().unwrap_or_default(),
            Ok(Err(_)) | Err(_) => return Err(NoWindow::NotServed),
        };
        let place = self.places.of(name).await;
        let open = ToWindow::Open {
            name: name.to_owned(),
            origin,
            path: path.to_owned(),
            ticket: self
                .entrance
                .ticket(Purpose::Window, path)
                .secret
                .expose()
                .to_owned(),
            place,
        };
        if let Some(running) = process.as_mut() {
            if running.say(&open).await.is_ok() {
                return Ok(());
            }
            // It ended between two requests: another one is started.
            *process = None;
        }
        let mut fresh = Process::start(&self.program, &self.data)?;
        if fresh.say(&open).await.is_err() {
            // It was gone before it had read a word.
            return Err(fresh.ended().await);
        }
        *process = Some(fresh);
        Ok(())
    }

    async fn hear(&self, said: FromWindow, waiting: &mut Waiting) {
        match said {
            FromWindow::Shown { name } => {
                for answer in waiting.remove(&name).into_iter().flatten() {
                    drop(answer.send(Ok(())));
                }
            }
            FromWindow::Closed { name, place } => self.places.keep(name, place).await,
            FromWindow::Browse { url } => {
                // Links wait behind each other; more than fit were not clicked by a person.
                drop(self.links.try_send(url));
            }
            FromWindow::Crashed { name } => {
                tracing::warn!(window = name, "a page's process died; the page is loaded again");
            }
            FromWindow::Failed { reason } => {
                tracing::warn!(reason, "a window could not be shown");
                for answer in waiting.drain().flat_map(|(_, answers)| answers) {
                    drop(answer.send(Err(NoWindow::refused(&reason))));
                }
            }
        }
    }
}

/// The first part of the path; one window per page.
fn name_of(path: &str) -> String {
    let first = path.split(['/', '?']).find(|part| !part.is_empty());
    first.unwrap_or("chat").to_owned()
}

async fn next_event(process: &mut Option<Process>) -> Event {
    match process {
        Some(process) => process.next().await,
        None => std::future::pending().await,
    }
}
