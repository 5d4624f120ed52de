//! Telling devices that are away from the machine (Web Push, RFC 8030).
//!
//! A device subscribes from within its session and is told as long as that session lives. What is told goes through the
//! push service of the device's browser, sealed; only the known services are asked. A button of a message can be pressed
//! once, from within a session.

mod delivery;
mod devices;
mod identity;
mod letter;
pub(crate) mod message;
mod news;
mod parts;
mod presses;
mod seal;
mod service;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use https::{FetchError, Fetcher, Hosts};
use kit::{ActError, Action, Audience, Notice, NoticeKind, Reply, Secrets, Verb};
use store::{Store, StoreError};
use tokio::sync::{OnceCell, mpsc};

use delivery::Delivery;
pub(crate) use devices::Subscription;
use devices::{Device, Devices};
use identity::Identity;
pub(crate) use identity::NoIdentity;
use letter::{Later, Letter, Outgoing};
use message::{Button, Message};
use news::News;
pub(crate) use parts::NotKept;
pub use parts::{Away, Call, Link, SeenOutside, Sessions};
use presses::{Press, Presses};

/// Messages that wait to be sent; further ones are dropped, they are in the list.
const QUEUE_MAX: usize = 32;
/// Messages under way at once, all devices together.
const UNDER_WAY_MAX: usize = 100;
/// How long a service keeps a message for a phone that is off. Half a day later it is of no use.
const KEPT: Duration = Duration::from_secs(12 * 3600);
/// The same for one with details: what a service has, a device gets that was revoked meanwhile.
const KEPT_WITH_DETAILS: Duration = Duration::from_secs(3600);

/// Under what a trial of this session is news.
fn trial_key(session: &str) -> String {
    format!("trial-{session}")
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
    /// How long a new address is held back.
    settling: Duration,
    presses: Mutex<Presses>,
    news: Mutex<News>,
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
            settling: letter::SETTLING,
            presses: Mutex::default(),
            news: Mutex::default(),
            queue,
            waiting: tokio::sync::Mutex::new(waiting),
            away,
        })
    }

    /// What a browser is given to subscribe with.
    pub(crate) async fn public_key(&self) -> Result<String, NoIdentity> {
        Ok(self.identity().await?.public())
    }

    /// Whether the device of this session is told: it subscribed with the key that is signed with now.
    pub(crate) async fn tells(&self, session: &str) -> Result<bool, StoreError> {
        let Ok(identity) = self.identity().await else {
            return Ok(false);
        };
        let signer = identity.public();
        let devices = self.devices.all().await?;
        Ok(devices
            .iter()
            .any(|device| device.session == session && device.signer == signer))
    }

    /// Tells the device of `session`, which subscribed at `site`, from now on.
    pub(crate) async fn subscribe(
        &self,
        subscription: Subscription,
        session: &str,
        site: &str,
    ) -> Result<(), NotKept> {
        let signer = self.identity().await?.public();
        let device = subscription
            .device(session, site, &signer)
            .ok_or(NotKept::Nonsense)?;
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
            let (notice, number) = (notice.clone(), self.news().tell(&notice.key));
            self.put(Outgoing::Notice {
                notice,
                has_details,
                number,
            });
        }
    }

    /// Shows the device of `session` how it looks. A further one takes the place of one that is on its way.
    pub(crate) fn try_out(&self, session: &str) {
        let (session, number) = (session.to_owned(), self.news().tell(&trial_key(session)));
        self.put(Outgoing::Trial { session, number });
    }

    fn put(&self, outgoing: Outgoing) {
        if self.queue.try_send(outgoing).is_err() {
            tracing::warn!("a notice was told to no device: too many wait");
        }
    }

    /// What was told under `key` is answered, or no longer so: its buttons do nothing, and what is on its way is not told.
    pub(crate) fn settle(&self, key: &str) {
        self.news().settle(key);
        self.presses().settle(key);
    }

    /// Does what the button called `name` stands for; `None` when that is not to be done any more.
    pub(crate) async fn press(
        &self,
        name: &str,
        session: &str,
        has_details: bool,
    ) -> Option<Result<Reply, ActError>> {
        let press = self.presses().take(name, Instant::now())?;
        // What may be seen has perhaps been narrowed since.
        let is_shown = has_details || !press.needs_details;
        if !is_shown || !self.is_seen_outside(press.folder).await {
            return None;
        }
        let (module, verb) = (press.module, press.verb);
        tracing::info!(target: "audit", event = "verb", module = module.0, verb = verb.name, session, by = "a notice on a device", "a module was asked to act");
        let verb = Verb {
            // Services in between do not wait for a server that starts.
            is_awaited: false,
            session: Some(session.to_owned()),
            ..verb
        };
        Some((self.away.call)(module, verb).await)
    }

    /// Whether what concerns `folder` may leave the machine.
    async fn is_seen_outside(&self, folder: Option<String>) -> bool {
        let Some(folder) = folder else {
            return true;
        };
        let seen = Arc::clone(&self.away.seen_outside);
        tokio::task::spawn_blocking(move || seen(&folder))
            .await
            .unwrap_or(false)
    }

    fn presses(&self) -> std::sync::MutexGuard<'_, Presses> {
        self.presses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn news(&self) -> std::sync::MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut later = Later::default();
        self.forget_gone().await;
        loop {
            let outgoing = tokio::select! {
                Some(outgoing) = waiting.recv() => later.unless_at_once(outgoing, self.settling),
                outgoing = later.due() => Some(outgoing),
                Some(()) = under_way.next() => None,
                Ok(()) = sessions.changed() => {
                    self.forget_gone().await;
                    None
                }
            };
            let Some(outgoing) = outgoing else { continue };
            for delivery in self.address(outgoing).await {
                if under_way.len() < UNDER_WAY_MAX {
                    under_way.push(self.deliver(delivery));
                } else {
                    tracing::warn!(
                        session = delivery.device.session,
                        "a device was not told: too much is on its way"
                    );
                }
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
            Outgoing::Trial { session, .. } => device.session == *session,
        };
        let devices: Vec<Device> = devices.into_iter().filter(is_meant).collect();
        if devices.is_empty() {
            return Vec::new();
        }
        let signer = match self.identity().await {
            Ok(identity) => identity.public(),
            Err(error) => {
                tracing::warn!(%error, "no device can be told");
                return Vec::new();
            }
        };
        let Some(letter) = self.letter(outgoing).await else {
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
        let deliveries = devices.into_iter().filter_map(|device| {
            if device.signer != signer {
                tracing::info!(
                    session = device.session,
                    "a device has to switch notices on again: the key is another one"
                );
                return None;
            }
            let copy = self.copy(&letter, &device)?;
            Some(Delivery {
                body: device.recipient.seal(&copy.text).ok()?,
                site: copy.site,
                kept: copy.kept,
                topic: service::topic(&letter.message.tag, &device.recipient),
                device,
                key: letter.key.clone(),
                number: letter.number,
                urgency: letter.urgency,
                fetcher: Arc::clone(&fetcher),
            })
        });
        deliveries.collect()
    }

    /// What is sent; `None` when it is no news any more or may not leave the machine.
    async fn letter(&self, outgoing: Outgoing) -> Option<Letter> {
        let (notice, has_details, number) = match outgoing {
            Outgoing::Trial { session, number } => {
                return Some(Letter {
                    message: Message::trial(),
                    audience: Audience::Here,
                    key: trial_key(&session),
                    number,
                    urgency: "high",
                    kept: KEPT_WITH_DETAILS,
                });
            }
            Outgoing::Notice {
                notice,
                has_details,
                number,
            } => (notice, has_details, number),
        };
        let kit::Away { folder, audience, .. } = notice.away.as_ref()?;
        let (folder, audience) = (folder.clone(), *audience);
        if !self.is_seen_outside(folder.clone()).await {
            return None;
        }
        let mut buttons = Vec::new();
        {
            let mut presses = self.presses();
            // Asked while the buttons are held: whatever settles it from here on settles them too.
            if !self.news().holds(&notice.key, number) {
                return None;
            }
            presses.settle(&notice.key);
            for answer in message::answers(&notice, has_details) {
                let Action::Call(module, verb) = &answer.action else {
                    continue;
                };
                let name = service::name_of_press()?;
                presses.add(Press {
                    name: name.clone(),
                    key: notice.key.clone(),
                    module: *module,
                    verb: verb.clone(),
                    needs_details: notice.kind == NoticeKind::Waiting,
                    folder: folder.clone(),
                    made: Instant::now(),
                });
                buttons.push(Button {
                    press: name,
                    label: answer.label,
                });
            }
        }
        Some(Letter {
            message: Message::of(&notice, has_details, buttons)?,
            audience,
            urgency: message::urgency(&notice),
            kept: if has_details { KEPT_WITH_DETAILS } else { KEPT },
            key: notice.key,
            number,
        })
    }
}
