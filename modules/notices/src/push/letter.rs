//! What is sent to several devices, and what of it differs from device to device.

use std::{future::pending, time::Duration};

use kit::{Audience, Notice};
use tokio::time::{Instant, sleep_until};

use super::{Push, devices::Device, message::Message};

/// A name that is asked for too soon after it was made is remembered as missing for half an hour, by phones and whatever
/// they ask. Who embeds quick tunnels waits 12 to 15 s.
pub(super) const SETTLING: Duration = Duration::from_secs(12);

/// What waits to be sent.
pub(super) enum Outgoing {
    Notice {
        notice: Notice,
        has_details: bool,
        number: u64,
    },
    Trial {
        session: String,
        number: u64,
    },
}

impl Outgoing {
    pub(super) fn audience(&self) -> Audience {
        match self {
            Self::Notice { notice, .. } => {
                let away = notice.away.as_ref();
                away.map_or(Audience::Here, |away| away.audience)
            }
            Self::Trial { .. } => Audience::Here,
        }
    }
}

/// A new address that waits to be known everywhere. A newer one takes its place.
#[derive(Default)]
pub(super) struct Later(Option<(Instant, Outgoing)>);

impl Later {
    /// Gives back what is to be sent at once, and keeps what is not.
    pub(super) fn unless_at_once(&mut self, outgoing: Outgoing, settling: Duration) -> Option<Outgoing> {
        if outgoing.audience() == Audience::Here {
            return Some(outgoing);
        }
        self.0 = Some((Instant::now() + settling, outgoing));
        None
    }

    /// What was kept, when its time has come. Loses nothing when it is dropped.
    pub(super) async fn due(&mut self) -> Outgoing {
        let Some((at, _)) = &self.0 else {
            return pending().await;
        };
        sleep_until(*at).await;
        match self.0.take() {
            Some((_, outgoing)) => outgoing,
            None => pending().await,
        }
    }
}

/// What is sent to several devices.
pub(super) struct Letter {
    pub(super) message: Message,
    pub(super) audience: Audience,
    pub(super) key: String,
    pub(super) number: u64,
    pub(super) urgency: &'static str,
    pub(super) kept: Duration,
}

/// What one device gets.
pub(super) struct Copy {
    pub(super) text: Vec<u8>,
    /// Where this machine has to be reached for it to be true.
    pub(super) site: String,
    pub(super) kept: Duration,
}

impl Push {
    /// The copy for `device`; `None` when it is not to hear of it.
    pub(super) fn copy(&self, letter: &Letter, device: &Device) -> Option<Copy> {
        let text = |message: &Message| serde_json::to_vec(message).unwrap_or_default();
        match letter.audience {
            Audience::Here => Some(Copy {
                text: text(&letter.message),
                site: device.site.clone(),
                kept: letter.kept,
            }),
            Audience::Moved => {
                let sessions = &self.away.sessions;
                let has_moved = sessions.site().is_some_and(|site| site != device.site);
                if !has_moved || !sessions.is_there(&device.session) {
                    return None;
                }
                let link = sessions.link(&device.session)?;
                tracing::info!(target: "audit", event = "new_address_sent", session = device.session, "a device is sent the new address, with a link that pairs it again");
                Some(Copy {
                    text: text(&letter.message.leading_to(&link.url)),
                    site: link.site,
                    kept: link.life,
                })
            }
        }
    }
}
