//! Telling devices that are away from the machine (Web Push, RFC 8030).
//!
//! A device subscribes from within its session and is told as long as that session lives. What is told goes through the
//! push service of the device's browser, sealed; only the known services are asked. A button of a message can be pressed
//! once, from within a session.

mod devices;
mod identity;
pub(crate) mod message;
mod presses;
mod seal;
mod service;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use https::{FetchError, Fetcher, Hosts};
use kit::{ActError, Action, BoxFuture, ModuleId, Notice, Reply, Secrets, Verb};
use store::{Store, StoreError};
use tokio::{
    sync::{OnceCell, mpsc, watch},
    time::sleep,
};

pub(crate) use devices::Subscription;
use devices::{Device, Devices};
use identity::Identity;
pub(crate) use identity::NoIdentity;
use message::{Button, Message};
use presses::Presses;
use service::{Fate, fate};

/// Messages that wait to be sent; further ones are dropped, they are in the list.
const QUEUE_MAX: usize = 32;
/// Messages under way at once, all devices together.
const UNDER_WAY_MAX: usize = 100;
/// Before each further try, when a service does not say.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(5), Duration::from_secs(60)];

/// Who is logged in.
pub trait Sessions: Send + Sync {
    /// Whether this session lives.
    fn is_there(&self, session: &str) -> bool;
    /// Changes when one begins or ends.
    fn changed(&self) -> watch::Receiver<usize>;
}

/// Asks something of a module.
pub type Call = Arc<dyn Fn(ModuleId, Verb) -> BoxFuture<'static, Result<Reply, ActError>> + Send + Sync>;

/// Whether a folder may be seen from outside. Looks at the disk.
pub type SeenOutside = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What the rest of the program gives for this.
pub struct Away {
    /// Whose devices are told.
    pub sessions: Arc<dyn Sessions>,
    /// What a pressed button is done with.
    pub call: Call,
    /// What may leave the machine.
    pub seen_outside: SeenOutside,
}

/// Why a device is not told from now on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    /// What came is no subscription.
    #[error("What the browser gave is no subscription.")]
    Nonsense,
    /// It names a service nobody knows.
    #[error("The push service of this browser is none that is known ({0}), so nothing is sent there.")]
    Stranger(#[source] FetchError),
    /// It could not be saved.
    #[error("It could not be saved: {0}.")]
    NotSaved(#[from] StoreError),
}

/// What waits to be sent.
enum Outgoing {
    Notice { notice: Notice, has_details: bool },
    Trial { session: String },
}

/// Makes what services are asked with, trusting somebody.
type Connect = fn(Hosts) -> Result<Fetcher, FetchError>;

/// See the module.
pub(crate) struct Push {
    devices: Devices,
    secrets: Arc<dyn Secrets>,
    identity: OnceCell<Identity>,
    hosts: Hosts,
    connect: Connect,
    presses: Mutex<Presses>,
    queue: mpsc::Sender<Outgoing>,
    waiting: tokio::sync::Mutex<mpsc::Receiver<Outgoing>>,
    away: Away,
}

impl Push {
    pub(crate) fn new(store: Store, secrets: Arc<dyn Secrets>, away: Away) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        Ok(Self {
            devices: Devices::new(store)?,
            secrets,
            identity: OnceCell::new(),
            hosts: service::known(),
            connect: Fetcher::new,
            presses: Mutex::default(),
            queue,
            waiting: tokio::sync::Mutex::new(waiting),
            away,
        })
    }

    /// What a browser is given to subscribe with.
    pub(crate) async fn public_key(&self) -> Result<String, NoIdentity> {
        Ok(self.identity().await?.public())
    }

    /// Whether the device of this session is told.
    pub(crate) async fn tells(&self, session: &str) -> Result<bool, StoreError> {
        let devices = self.devices.all().await?;
        Ok(devices.iter().any(|device| device.session == session))
    }

    /// Tells the device of `session`, which subscribed at `site`, from now on.
    pub(crate) async fn subscribe(
        &self,
        subscription: Subscription,
        session: &str,
        site: &str,
    ) -> Result<(), NotKept> {
        let device = subscription.device(session, site).ok_or(NotKept::Nonsense)?;
        self.hosts.admit(&device.endpoint).map_err(NotKept::Stranger)?;
        self.devices.keep(device).await?;
        tracing::info!(target: "audit", event = "push_on", session, "a device is told from now on");
        Ok(())
    }

    /// Tells the device of `session` no more.
    pub(crate) async fn unsubscribe(&self, session: &str) -> Result<(), StoreError> {
        if self.devices.forget(session).await? {
            tracing::info!(target: "audit", event = "push_off", session, "a device is told no more");
        }
        Ok(())
    }

    /// Tells all devices, when the notice may leave the machine. Never waits.
    pub(crate) fn offer(&self, notice: &Notice, has_details: bool) {
        if notice.away.is_some() {
            let notice = notice.clone();
            self.put(Outgoing::Notice { notice, has_details });
        }
    }

    /// Shows the device of `session` how it looks.
    pub(crate) fn try_out(&self, session: &str) {
        let session = session.to_owned();
        self.put(Outgoing::Trial { session });
    }

    fn put(&self, outgoing: Outgoing) {
        if self.queue.try_send(outgoing).is_err() {
            tracing::debug!("a notice was told to no device: too many wait");
        }
    }

    /// What was told under `key` is answered.
    pub(crate) fn settle(&self, key: &str) {
        self.presses().settle(key);
    }

    /// Does what the button called `name` stands for; `None` when that is not to be done any more.
    pub(crate) async fn press(&self, name: &str, session: &str) -> Option<Result<Reply, ActError>> {
        let (module, verb) = self.presses().take(name)?;
        tracing::info!(target: "audit", event = "verb", module = module.0, verb = verb.name, session, by = "a notice on a device", "a module was asked to act");
        Some((self.away.call)(module, verb).await)
    }

    fn presses(&self) -> std::sync::MutexGuard<'_, Presses> {
        self.presses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn identity(&self) -> Result<&Identity, NoIdentity> {
        self.identity
            .get_or_try_init(|| Identity::of(&*self.secrets))
            .await
    }

    /// Sends what is put, and forgets devices with their sessions. Ends when it is dropped.
    pub(crate) async fn run(&self) {
        let mut waiting = self.waiting.lock().await;
        let mut sessions = self.away.sessions.changed();
        let mut under_way = FuturesUnordered::new();
        self.forget_gone().await;
        loop {
            tokio::select! {
                Some(outgoing) = waiting.recv() => {
                    for delivery in self.address(outgoing).await {
                        if under_way.len() < UNDER_WAY_MAX {
                            under_way.push(self.deliver(delivery));
                        }
                    }
                }
                Some(()) = under_way.next() => {}
                Ok(()) = sessions.changed() => self.forget_gone().await,
                else => return,
            }
        }
    }

    /// Devices whose session has ended are not told any more.
    async fn forget_gone(&self) {
        let forgotten = async {
            for device in self.devices.all().await? {
                if !self.away.sessions.is_there(&device.session) {
                    self.unsubscribe(&device.session).await?;
                }
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = forgotten.await {
            // They are not told all the same: it is looked before each message.
            tracing::warn!(%error, "devices whose session has ended could not be forgotten");
        }
    }

    /// One delivery for each device that is to hear of it.
    async fn address(&self, outgoing: Outgoing) -> Vec<Delivery> {
        let devices = match self.devices.all().await {
            Ok(devices) => devices,
            Err(error) => {
                tracing::warn!(%error, "the devices that are told could not be read");
                return Vec::new();
            }
        };
        let is_meant = |device: &Device| match &outgoing {
            Outgoing::Notice { .. } => true,
            Outgoing::Trial { session } => device.session == *session,
        };
        let devices: Vec<Device> = devices.into_iter().filter(is_meant).collect();
        if devices.is_empty() {
            return Vec::new();
        }
        let Some((message, urgency)) = self.message(outgoing).await else {
            return Vec::new();
        };
        // Made for each message, so that nobody's certificates are held while nothing is sent.
        let (connect, hosts) = (self.connect, self.hosts.clone());
        let fetcher = match tokio::task::spawn_blocking(move || connect(hosts)).await {
            Ok(Ok(fetcher)) => Arc::new(fetcher),
            Ok(Err(error)) => {
                tracing::warn!(%error, "no device can be told");
                return Vec::new();
            }
            Err(_) => return Vec::new(),
        };
        let text = serde_json::to_vec(&message).unwrap_or_default();
        let sealed = devices.into_iter().filter_map(|device| {
            let body = device.recipient.seal(&text).ok()?;
            Some(Delivery {
                device,
                body,
                topic: service::topic(&message.tag),
                urgency,
                fetcher: Arc::clone(&fetcher),
            })
        });
        sealed.collect()
    }

    async fn message(&self, outgoing: Outgoing) -> Option<(Message, &'static str)> {
        let (notice, has_details) = match outgoing {
            Outgoing::Trial { .. } => return Some((Message::trial(), "high")),
            Outgoing::Notice { notice, has_details } => (notice, has_details),
        };
        if let Some(folder) = notice.away.as_ref().and_then(|away| away.folder.clone()) {
            let seen = Arc::clone(&self.away.seen_outside);
            if !tokio::task::spawn_blocking(move || seen(&folder))
                .await
                .unwrap_or(false)
            {
                return None;
            }
        }
        let mut buttons = Vec::new();
        let mut presses = self.presses();
        presses.settle(&notice.key);
        for answer in message::answers(&notice, has_details) {
            let Action::Call(module, verb) = &answer.action else {
                continue;
            };
            let press = service::name_of_press()?;
            presses.add(&press, &notice.key, *module, verb.clone());
            buttons.push(Button {
                press,
                label: answer.label,
            });
        }
        drop(presses);
        Some((
            Message::of(&notice, has_details, buttons)?,
            message::urgency(&notice),
        ))
    }

    /// Hands a message over to its service, or gives up.
    async fn deliver(&self, delivery: Delivery) {
        let session = delivery.device.session.as_str();
        let mut asked_for = None;
        for pause in PAUSES {
            sleep(asked_for.take().unwrap_or(pause)).await;
            if !self.away.sessions.is_there(session) {
                return;
            }
            match self.send(&delivery).await {
                Ok(Fate::Taken) => return,
                Ok(Fate::Gone) => {
                    tracing::info!(
                        session,
                        "a browser's subscription has ended; its device is told no more"
                    );
                    if let Err(error) = self.unsubscribe(session).await {
                        tracing::warn!(%error, "a device could not be forgotten");
                    }
                    return;
                }
                Ok(Fate::Later(after)) => asked_for = after,
                Ok(Fate::Refused(status)) => {
                    tracing::warn!(session, %status, "a push service refused a message");
                    return;
                }
                Err(error) => tracing::debug!(session, %error, "a push service was not reached"),
            }
        }
        tracing::warn!(
            session,
            "a device could not be told: its push service takes nothing"
        );
    }

    async fn send(&self, delivery: &Delivery) -> anyhow::Result<Fate> {
        let Device { endpoint, site, .. } = &delivery.device;
        let identity = self.identity().await?;
        let headers = service::headers(identity, delivery, site, SystemTime::now())?;
        let body = delivery.body.clone().into();
        let (status, headers) = delivery.fetcher.post(endpoint, headers, body).await?;
        Ok(fate(status, &headers))
    }
}

/// One message on its way to one device.
struct Delivery {
    device: Device,
    body: Vec<u8>,
    topic: String,
    urgency: &'static str,
    fetcher: Arc<Fetcher>,
}
