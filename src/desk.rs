//! What the agent answers on its control socket.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use kit::{BoxFuture, CancellationToken, Context, Module, Reply, Verb};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    cli,
    control::{Code, Failure, Request, SecretAct, sentence, server::Desk},
};

/// Statuses are told to a watcher at most this often.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// How long a command waits for a state to settle. Longer than the slowest start that is not given up (120 s).
const SETTLE_WAIT: Duration = Duration::from_secs(150);

/// Answers for the agent. Holds handles only.
pub(crate) struct FrontDesk {
    pub(crate) cx: Context,
    pub(crate) modules: Vec<Arc<dyn Module>>,
    pub(crate) stop: CancellationToken,
}

impl Desk for FrontDesk {
    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(self.do_answer(request))
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
    async fn do_answer(&self, request: Request) -> Result<Value, Failure> {
        match request {
            Request::Status | Request::Watch => Ok(self.cx.overview.borrow().to_json(SystemTime::now())),
            Request::Call {
                module,
                verb,
                args,
                wait,
            } => self.call(&module, Verb { name: verb, args }, wait).await,
            Request::Settings(act) => {
                let settings = Arc::clone(&self.cx.settings);
                tokio::task::spawn_blocking(move || cli::settings::answer(&settings, act))
                    .await
                    .map_err(|error| {
                        Failure::failed(format!("The settings could not be reached: {error}."))
                    })?
            }
            Request::Secret(act) => self.secret(act).await,
            Request::Quit { now: _ } => {
                tracing::info!("asked to end from the command line");
                self.stop.cancel();
                Ok(Value::Null)
            }
            Request::Show { .. }
            | Request::Link { .. }
            | Request::PasswordSet { .. }
            | Request::Devices(_) => Err(Failure::new(Code::Failed, "This build has no door yet.")),
        }
    }

    async fn call(&self, id: &str, verb: Verb, wait: bool) -> Result<Value, Failure> {
        let module = self
            .modules
            .iter()
            .find(|module| module.id().0 == id)
            .ok_or_else(|| Failure::new(Code::Usage, format!("There is no module `{id}`.")))?;
        let known = module.verbs().iter().find(|spec| spec.name == verb.name);
        if known.is_none_or(|spec| spec.args.len() != verb.args.len()) {
            let failure = kit::ActError::unknown_verb(&verb);
            return Err(failure.into());
        }
        let mut status = module.status();
        status.mark_unchanged();
        let reply = module.call(verb).await?;
        if wait {
            let settled = status.wait_for(|status| status.state.is_settled());
            match tokio::time::timeout(SETTLE_WAIT, settled).await {
                Ok(_) => {}
                Err(_) => {
                    return Err(Failure::failed(format!(
                        "It was asked for, but after {} s the state has not settled. `nexus status` shows how it goes on.",
                        SETTLE_WAIT.as_secs()
                    )));
                }
            }
        }
        Ok(match reply {
            Reply::Done => Value::Null,
            Reply::Text(text) => Value::String(sentence(&text)),
            Reply::Json(value) => value,
        })
    }

    async fn secret(&self, act: SecretAct) -> Result<Value, Failure> {
        cli::secret::answer(&*self.cx.secrets, act).await
    }
}
