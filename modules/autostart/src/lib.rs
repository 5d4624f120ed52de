//! Starts the agent at login, if its owner says so.
//!
//! The switch is not a setting: it *is* the entry the desktop reads at login, so that what a person changes with the
//! desktop's own tools is what this module shows. On Linux that is a desktop entry in the autostart folder, written
//! here because every path has to be quoted the way the standard asks; elsewhere the `auto-launch` crate knows the
//! registry key or launch agent.
//!
//! Off until switched on. The agent is started in the background, without a window. Nothing here ever starts a
//! process.

mod entry;

use std::{sync::Arc, time::SystemTime};

pub use entry::{LoginEntry, LoginError};
use kit::{
    ActError, Action, BoxFuture, CancellationToken, Entry, Module, ModuleId, Reply, State, Status, Verb,
    VerbSpec,
};
use tokio::sync::watch;

/// The module's one name.
pub const ID: ModuleId = ModuleId("autostart");

/// What can be asked: `nexus autostart on`.
pub const VERBS: &[VerbSpec] = &[
    VerbSpec {
        name: "on",
        help: "Start the agent at every login, without a window.",
        args: &[],
        button: Some("Launch at login"),
    },
    VerbSpec {
        name: "off",
        help: "Do not start the agent at login.",
        args: &[],
        button: Some("Do not launch at login"),
    },
    VerbSpec {
        name: "status",
        help: "Say whether the agent starts at login.",
        args: &[],
        button: None,
    },
];

/// Launch at login as a switch.
pub struct Autostart {
    entry: LoginEntry,
    status: watch::Sender<Status>,
}

impl Autostart {
    /// Wires the switch to the entry of this installation.
    pub fn new(entry: LoginEntry) -> Arc<Self> {
        let status = watch::Sender::new(Status::new(State::Starting, SystemTime::now()));
        Arc::new(Self { entry, status })
    }

    fn look(&self) {
        let status = status(self.entry.is_on(), SystemTime::now());
        self.status.send_if_modified(|held| {
            let is_new = (held.state, &held.reason) != (status.state, &status.reason);
            if is_new {
                *held = status;
            }
            is_new
        });
    }
}

/// Carries out one verb on the entry. Works with and without a running agent.
///
/// # Errors
/// [`ActError::Usage`] for an unknown verb, [`ActError::Failed`] when the entry cannot be read or changed.
pub fn act(entry: &LoginEntry, verb: &Verb) -> Result<Reply, ActError> {
    let failed = |error: LoginError| ActError::Failed(chain(&error));
    match verb.name.as_str() {
        "on" => entry
            .switch_on()
            .map(|()| Reply::Text(words(true).to_owned()))
            .map_err(failed),
        "off" => entry
            .switch_off()
            .map(|()| Reply::Text(words(false).to_owned()))
            .map_err(failed),
        "status" => entry
            .is_on()
            .map(|is_on| Reply::Text(words(is_on).to_owned()))
            .map_err(failed),
        _ => Err(ActError::unknown_verb(verb)),
    }
}

fn words(is_on: bool) -> &'static str {
    if is_on {
        "The agent starts at login."
    } else {
        "The agent does not start at login."
    }
}

fn status(is_on: Result<bool, LoginError>, now: SystemTime) -> Status {
    match is_on {
        Ok(true) => Status::new(State::Running, now).because(words(true)),
        Ok(false) => Status::new(State::Off, now).because(words(false)),
        Err(error) => Status::new(State::Degraded, now).because(chain(&error)),
    }
}

fn chain(error: &LoginError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl Module for Autostart {
    fn id(&self) -> ModuleId {
        ID
    }

    fn title(&self) -> &'static str {
        "Launch at login"
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    fn menu(&self, status: &Status) -> Vec<Entry> {
        let is_on = status.state == State::Running;
        let verb = Verb::bare(if is_on { "off" } else { "on" });
        vec![Entry::Check {
            text: "Launch at login".to_owned(),
            action: Action::Call(ID, verb),
            is_on,
        }]
    }

    fn verbs(&self) -> &'static [VerbSpec] {
        VERBS
    }

    fn call(&self, verb: Verb) -> BoxFuture<'_, Result<Reply, ActError>> {
        Box::pin(async move {
            let reply = act(&self.entry, &verb);
            self.look();
            reply
        })
    }

    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            match self.entry.mend() {
                Ok(true) => {
                    tracing::info!("the login entry pointed to a program that is gone: it points here now")
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(error = chain(&error), "the login entry could not be looked at"),
            }
            self.look();
            stop.cancelled().await;
            Ok(())
        })
    }
}

// Only here can an entry be made in a folder of one's own.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_menu_shows_what_is_and_offers_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let module = Autostart::new(LoginEntry::in_folder(folder.path(), "/opt/nexus".into(), None));
        let check = |is_on, verb: &str| {
            let action = Action::Call(ID, Verb::bare(verb));
            vec![Entry::Check {
                text: "Launch at login".to_owned(),
                action,
                is_on,
            }]
        };

        module.look();
        assert_eq!(module.menu(&module.status().borrow()), check(false, "on"));

        act(&module.entry, &Verb::bare("on")).unwrap();
        module.look();
        assert_eq!(module.menu(&module.status().borrow()), check(true, "off"));
    }

    #[test]
    fn an_unknown_verb_is_a_usage_error() {
        let folder = tempfile::tempdir().unwrap();
        let entry = LoginEntry::in_folder(folder.path(), "/opt/nexus".into(), None);

        assert_eq!(
            act(&entry, &Verb::bare("maybe")),
            Err(ActError::Usage("there is no command `maybe` here".to_owned()))
        );
    }
}
