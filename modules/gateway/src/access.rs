//! Cloudflare Access in front of the public name: who comes in from outside has passed it, and can show that.
//!
//! It comes on top of the password, not in its place. Once it is asked for, nothing at all answers outside without a
//! token that Access signed for this very application; when it is asked for in a way that cannot be checked, nothing
//! answers either.

mod certificates;
mod settings;
mod token;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use axum::http::HeaderMap;
use bytes::Bytes;
use kit::{BoxFuture, Setting};

pub use settings::AccessSettings;

use certificates::Certificates;
use token::{Expected, Token};

/// Where Cloudflare puts its word for a visitor.
const ASSERTION: &str = "cf-access-jwt-assertion";

/// Gets what stands at an address of `cloudflareaccess.com`; a sentence when it cannot.
pub type FetchKeys = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Bytes, String>> + Send + Sync>;

/// Whether somebody has passed Access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passed {
    No,
    /// Nobody has to.
    Unasked,
    /// What was shown holds until then.
    Until(SystemTime),
}

/// See the module.
pub(crate) struct Access {
    settings: Setting<AccessSettings>,
    fetch: FetchKeys,
    /// Of the team that was asked for last.
    held: Mutex<Option<Arc<Certificates>>>,
}

impl Access {
    pub(crate) fn new(settings: Setting<AccessSettings>, fetch: FetchKeys) -> Self {
        Self {
            settings,
            fetch,
            held: Mutex::default(),
        }
    }

    /// What is set, for waiting until it is changed.
    pub(crate) fn settings(&self) -> Setting<AccessSettings> {
        self.settings.clone()
    }

    /// Why nobody can be let in from outside, if so.
    pub(crate) fn fault(&self) -> Option<String> {
        self.settings.get().fault()
    }

    /// Whether a request from outside may be looked at.
    pub(crate) async fn look(&self, headers: &HeaderMap, now: SystemTime) -> Passed {
        let settings = self.settings.get();
        if settings.fault().is_some() {
            return Passed::No;
        }
        if !settings.is_asked_for() {
            return Passed::Unasked;
        }
        self.until(&settings, headers, now)
            .await
            .map_or(Passed::No, Passed::Until)
    }

    async fn until(
        &self,
        settings: &AccessSettings,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Option<SystemTime> {
        let mut given = headers.get_all(ASSERTION).iter();
        let (token, None) = (given.next()?.to_str().ok()?, given.next()) else {
            return None;
        };
        let token = Token::parse(token)?;
        let key = self.certificates(settings).key(&token.key).await?;
        let expected = Expected {
            issuer: &settings.issuer(),
            audience: &settings.audience,
        };
        token.holds(&key, &expected, now)
    }

    fn certificates(&self, settings: &AccessSettings) -> Arc<Certificates> {
        let url = format!("{}/cdn-cgi/access/certs", settings.issuer());
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some(certificates) if certificates.url == url => Arc::clone(certificates),
            Some(_) | None => {
                let fresh = Arc::new(Certificates::new(url, Arc::clone(&self.fetch)));
                *held = Some(Arc::clone(&fresh));
                fresh
            }
        }
    }
}
