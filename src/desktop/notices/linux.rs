//! The notification service of the session bus (desktop notifications specification 1.2).
//!
//! Spoken to directly rather than through a library: whoever presses a button has to be known. Any program on the
//! bus can send the signal that says "chosen", so it counts only from the service's current owner.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

use futures_util::StreamExt;
use kit::{Action, Answer, CancellationToken, Notice};
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use zbus::{
    Connection, MatchRule, MessageStream, fdo::DBusProxy, message::Type, names::BusName, zvariant::Value,
};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// A service that does not answer is as good as none.
const WAIT: Duration = Duration::from_secs(3);
/// Bubbles whose page is remembered for a click.
const REMEMBERED_MAX: usize = 64;
/// Leaves it to the service how long a bubble stays.
const USUAL_TIME: i32 = -1;

/// Shows notices and hears clicks on them.
pub(crate) struct Bubbles {
    connection: AsyncMutex<Option<Connection>>,
    shown: Mutex<VecDeque<Shown>>,
}

struct Shown {
    key: String,
    number: u32,
    page: String,
    /// The buttons, by names that nobody else knows: whoever says that one was pressed has seen the bubble.
    buttons: Vec<(String, Action)>,
}

impl Bubbles {
    /// Connects to nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            connection: AsyncMutex::new(None),
            shown: Mutex::new(VecDeque::new()),
        }
    }

    /// Shows a notice in place of the one with the same key. Without a service nothing happens: the notice is in the
    /// log already.
    pub(crate) async fn show(&self, notice: Notice) {
        match tokio::time::timeout(WAIT, self.notify(&notice)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "no notification service"),
            Err(_waited) => tracing::debug!("the notification service does not answer"),
        }
    }

    async fn notify(&self, notice: &Notice) -> zbus::Result<()> {
        let connection = self.connection().await?;
        let replaces = self.number_of(&notice.key).unwrap_or(0);
        let body = escape(&notice.body);
        let hints: HashMap<&str, Value<'_>> =
            HashMap::from([("desktop-entry", Value::from("opencode-nexus"))]);
        let buttons = if notice.answers.is_empty() || !self.has_buttons(&connection).await {
            Vec::new()
        } else {
            notice.answers.iter().map(named).collect()
        };
        let mut actions = vec!["default", "Open"];
        for ((name, _), answer) in buttons.iter().zip(&notice.answers) {
            actions.extend([name.as_str(), answer.label]);
        }
        let reply = connection
            .call_method(
                Some(NAME),
                PATH,
                Some(NAME),
                "Notify",
                &(
                    "OpenCode Nexus",
                    replaces,
                    "opencode-nexus",
                    notice.title.as_str(),
                    body.as_str(),
                    actions.as_slice(),
                    hints,
                    USUAL_TIME,
                ),
            )
            .await?;
        self.remember(notice, reply.body().deserialize()?, buttons);
        Ok(())
    }

    /// Takes the bubble with this key away, if it is there.
    pub(crate) async fn remove(&self, key: String) {
        let Some(number) = self.forget(&key) else {
            return;
        };
        let close = async {
            let connection = self.connection().await?;
            connection
                .call_method(Some(NAME), PATH, Some(NAME), "CloseNotification", &(number,))
                .await
        };
        if let Ok(Err(error)) = tokio::time::timeout(WAIT, close).await {
            // It may have been closed by the person.
            tracing::debug!(%error, "a notice was not taken away");
        }
    }

    /// Buttons are only for services that show them.
    async fn has_buttons(&self, connection: &Connection) -> bool {
        let asked = connection
            .call_method(Some(NAME), PATH, Some(NAME), "GetCapabilities", &())
            .await;
        asked
            .and_then(|reply| reply.body().deserialize::<Vec<String>>())
            .is_ok_and(|found| found.iter().any(|capability| capability == "actions"))
    }

    async fn connection(&self) -> zbus::Result<Connection> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = held.as_ref() {
            return Ok(connection.clone());
        }
        let connection = Connection::session().await?;
        *held = Some(connection.clone());
        Ok(connection)
    }

    fn number_of(&self, key: &str) -> Option<u32> {
        let shown = self
            .shown
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        shown.iter().find(|one| one.key == key).map(|one| one.number)
    }

    fn forget(&self, key: &str) -> Option<u32> {
        let mut shown = self
            .shown
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let at = shown.iter().position(|one| one.key == key)?;
        shown.remove(at).map(|one| one.number)
    }

    fn remember(&self, notice: &Notice, number: u32, buttons: Vec<(String, Action)>) {
        let mut shown = self
            .shown
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        shown.retain(|one| one.key != notice.key);
        if shown.len() == REMEMBERED_MAX {
            shown.pop_front();
        }
        shown.push_back(Shown {
            key: notice.key.clone(),
            number,
            page: notice.page.clone(),
            buttons,
        });
    }

    /// What pressing `name` on the bubble `number` asks for. An answer counts once.
    fn chosen(&self, number: u32, name: &str) -> Option<Action> {
        let mut shown = self
            .shown
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let one = shown.iter_mut().find(|one| one.number == number)?;
        if name == "default" {
            return Some(Action::Open(one.page.clone()));
        }
        let at = one.buttons.iter().position(|(known, _)| known == name)?;
        let (_, action) = one.buttons.swap_remove(at);
        one.buttons.clear();
        Some(action)
    }

    /// Hears clicks until `stop` and says what they ask for.
    pub(crate) async fn listen(&self, choices: mpsc::Sender<Action>, stop: CancellationToken) {
        let heard = tokio::select! {
            () = stop.cancelled() => return,
            heard = self.hear(&choices) => heard,
        };
        if let Err(error) = heard {
            tracing::debug!(%error, "clicks on notices are not heard");
        }
    }

    async fn hear(&self, choices: &mpsc::Sender<Action>) -> zbus::Result<()> {
        let connection = self.connection().await?;
        let bus = DBusProxy::new(&connection).await?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .interface(NAME)?
            .member("ActionInvoked")?
            .path(PATH)?
            .build();
        let mut signals = MessageStream::for_match_rule(rule, &connection, None).await?;
        while let Some(signal) = signals.next().await {
            let signal = signal?;
            let owner = bus.get_name_owner(BusName::try_from(NAME)?).await;
            let header = signal.header();
            let is_genuine = header
                .sender()
                .is_some_and(|sender| owner.is_ok_and(|owner| owner.as_str() == sender.as_str()));
            if !is_genuine {
                tracing::warn!("a program pretended that a notice was clicked; it was ignored");
                continue;
            }
            let (number, name): (u32, String) = signal.body().deserialize()?;
            match self.chosen(number, &name) {
                // A full queue means that the agent is stuck; the click is lost then.
                Some(action) => drop(choices.try_send(action)),
                None => tracing::debug!("a notice of ours was chosen in a way it does not offer"),
            }
        }
        Ok(())
    }
}

fn named(answer: &Answer) -> (String, Action) {
    (format!("{:032x}", rand::random::<u128>()), answer.action.clone())
}

/// What shows notices here, e.g. `"dunst"`; `None` when nothing does.
pub(crate) async fn name() -> Option<String> {
    let ask = async {
        let connection = Connection::session().await?;
        let reply = connection
            .call_method(Some(NAME), PATH, Some(NAME), "GetServerInformation", &())
            .await?;
        let (name, ..): (String, String, String, String) = reply.body().deserialize()?;
        zbus::Result::Ok(name)
    };
    tokio::time::timeout(WAIT, ask).await.ok()?.ok()
}

/// Bodies may be read as markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
