//! One message on its way to one device.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use https::Fetcher;
use tokio::time::sleep;

use super::{
    Push,
    devices::Device,
    service::{self, Fate, fate},
};

/// Before each further try, when a service does not say.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(5), Duration::from_secs(60)];

/// One message on its way to one device.
pub(super) struct Delivery {
    pub(super) device: Device,
    /// Where this machine has to be reached for it to be true.
    pub(super) site: String,
    pub(super) body: Vec<u8>,
    pub(super) topic: String,
    pub(super) key: String,
    pub(super) number: u64,
    pub(super) urgency: &'static str,
    pub(super) kept: Duration,
    pub(super) fetcher: Arc<Fetcher>,
}

impl Push {
    /// Hands a message over to its service, or gives up.
    pub(super) async fn deliver(&self, delivery: Delivery) {
        let session = delivery.device.session.as_str();
        let mut asked_for = None;
        for pause in PAUSES {
            sleep(asked_for.take().unwrap_or(pause)).await;
            if !self.is_wanted(&delivery) {
                return;
            }
            match self.send(&delivery).await {
                Ok(Fate::Taken) => return,
                Ok(Fate::Gone) => {
                    tracing::info!(
                        session,
                        "a browser's subscription has ended; its device is told no more"
                    );
                    if let Err(error) = self.devices.forget_endpoint(&delivery.device.endpoint).await {
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

    /// Whether it is news still, for a device that is logged in, and this machine where it is said to be.
    fn is_wanted(&self, delivery: &Delivery) -> bool {
        self.news().holds(&delivery.key, delivery.number)
            && self.away.sessions.is_there(&delivery.device.session)
            && self.away.sessions.site().as_ref() == Some(&delivery.site)
    }

    async fn send(&self, delivery: &Delivery) -> anyhow::Result<Fate> {
        let (endpoint, site) = (&delivery.device.endpoint, &delivery.site);
        let identity = self.identity().await?;
        let headers = service::headers(identity, delivery, site, SystemTime::now())?;
        let body = delivery.body.clone().into();
        let (status, headers) = delivery.fetcher.post(endpoint, headers, body).await?;
        Ok(fate(status, &headers))
    }
}
