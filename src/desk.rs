//! What the agent answers on its control socket.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use gateway::{Door, Purpose};
use kit::{BoxFuture, CancellationToken, Context, Module, ModuleId, Verb};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    cli,
    control::{Code, Failure, Request, server::Desk},
    desktop::{Desktop, Shown},
    greeting,
    modules::{self, Busy},
};

/// Statuses are told to a watcher at most this often.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// How long a command waits for a state to settle. Longer than the slowest start that is not given up (120 s).
const SETTLE_WAIT: Duration = Duration::from_secs(150);

/// Answers for the agent. Holds handles only.
pub(crate) struct FrontDesk {
    pub(crate) cx: Context,
    pub(crate) modules: Vec<Arc<dyn Module>>,
    pub(crate) door: Door,
    pub(crate) busy: Busy,
    pub(crate) desktop: Option<Arc<dyn Desktop>>,
    pub(crate) stop: CancellationToken,
}

impl Desk for FrontDesk {
    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(self.respond(request))
    }

    fn watch(&self, answers: mpsc::Sender<Value>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut overview = self.cx.overview.clone();
            loop {
                let status = overview.borrow_and_update().to_json(SystemTime::now());
                if answers.send(status).await.is_err() || overview.changed().await.is_err() {
                    return;
                }
                tokio::time::sleep(TELL_EVERY).await;
            }
        })
    }
}

impl FrontDesk {
    async fn respond(&self, request: Request) -> Result<Value, Failure> {
        match request {
            Request::Status | Request::Watch => Ok(self.cx.overview.borrow().to_json(SystemTime::now())),
            Request::Show { page } => self.show(page).await,
            Request::Link { page } => self.link(page),
            Request::Call {
                module,
                verb,
                args,
                wait,
            } => {
                let verb = Verb {
                    is_awaited: wait,
                    ..Verb::with(&verb, args)
                };
                self.call(&module, verb).await
            }
            Request::Settings(act) => {
                let settings = Arc::clone(&self.cx.settings);
                tokio::task::spawn_blocking(move || cli::settings::answer(&settings, act))
                    .await
                    .map_err(|error| {
                        Failure::failed(format!("The settings could not be reached: {error}."))
                    })?
            }
            Request::PasswordSet { password } => {
                cli::password::change(&self.door, password).await?;
                Ok(Value::Null)
            }
            Request::Secret(act) => cli::secret::answer(&*self.cx.secrets, act).await,
            Request::Devices(act) => cli::devices::answer(&self.door, act).await,
            Request::Quit { now } => self.quit(now).await,
        }
    }

    async fn show(&self, page: Option<String>) -> Result<Value, Failure> {
        let path = self.path(page)?;
        let Some(desktop) = &self.desktop else {
            return Err(Failure::new(
                Code::NeedsUser,
                "The running agent has no desktop. `nexus open --print-url` prints a link for a browser.",
            ));
        };
        Ok(match desktop.show_page(&path).await? {
            Shown::Window => Value::Null,
            Shown::Browser(why) => Value::String(why),
        })
    }

    fn link(&self, page: Option<String>) -> Result<Value, Failure> {
        let path = self.path(page)?;
        let url = self.door.local_url().borrow().clone();
        let url = url.ok_or_else(|| {
            Failure::failed(
                "The program's pages are not served yet. Try again in a moment; `nexus status` shows why.",
            )
        })?;
        let purpose = if path == "/onboarding" {
            Purpose::SetUp
        } else {
            Purpose::Link
        };
        Ok(json!(self.door.ticket(purpose, &path).link(&url).expose()))
    }

    /// The path of a page as it is named on the command line.
    fn path(&self, page: Option<String>) -> Result<String, Failure> {
        match page {
            None => Ok(greeting::first_page(&self.door).to_owned()),
            Some(path) if path.starts_with('/') && !path.starts_with("//") => Ok(path),
            Some(word) if word.bytes().all(|byte| byte.is_ascii_lowercase()) => Ok(format!("/{word}")),
            Some(other) => Err(Failure::new(
                Code::Usage,
                format!("`{other}` is no page. Try chat, dashboard or onboarding."),
            )),
        }
    }

    async fn call(&self, id: &str, verb: Verb) -> Result<Value, Failure> {
        let module = self
            .modules
            .iter()
            .find(|module| module.id().0 == id)
            .ok_or_else(|| Failure::new(Code::Usage, format!("There is no module `{id}`.")))?;
        let known = module.verbs().iter().find(|spec| spec.name == verb.name);
        if known.is_none_or(|spec| !spec.takes(verb.args.len())) {
            return Err(kit::ActError::unknown_verb(&verb).into());
        }
        let is_awaited = verb.is_awaited;
        if verb.name != "status" {
            tracing::info!(target: "audit", event = "verb", module = id, verb = verb.name, by = "the command line", "a module was asked to act");
        }
        let reply = module.call(verb).await?;
        if is_awaited {
            self.settle(module.id()).await?;
        }
        Ok(cli::verb::told(reply))
    }

    /// Waits until nothing is under way that would change the module's state soon.
    async fn settle(&self, id: ModuleId) -> Result<(), Failure> {
        let mut overview = self.cx.overview.clone();
        let settled = overview.wait_for(|overview| {
            overview
                .status(id.0)
                .is_none_or(|status| status.state.is_settled())
        });
        match tokio::time::timeout(SETTLE_WAIT, settled).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::failed(format!(
                "It was asked for, but after {} s the state has not settled. `nexus status` shows how it goes on.",
                SETTLE_WAIT.as_secs()
            ))),
        }
    }

    async fn quit(&self, now: bool) -> Result<Value, Failure> {
        if !now {
            let busy = (self.busy)().await;
            if !busy.is_empty() {
                let text = format!(
                    "{} Wait for them, or end them with `nexus quit --now`.",
                    modules::still_at_work(&busy)
                );
                return Err(Failure::new(Code::Busy, text));
            }
        }
        tracing::info!("asked to end from the command line");
        self.stop.cancel();
        Ok(Value::Null)
    }
}
