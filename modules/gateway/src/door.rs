//! What the rest of the agent may ask of the gateway.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use kit::{Caller, Listener, Notice, NoticeKind, Secret};
use store::StoreError;
use tokio::{sync::watch, time::Instant};

use crate::{
    clock::from_ms,
    credential::{self, SetError},
    keys::{Keys, NotSet, Provided, to_its_end},
    passkey::Passkey,
    second::{Offer, SecondFactorError, Standing},
    session::{Kind, Session},
    ticket::{Purpose, Ticket},
};

/// A handle for the tray, the command line and the first-run page. Cheap to clone.
///
/// Whoever holds one is the person at the machine: it hands out tickets and sets passwords without asking for one.
#[derive(Clone)]
pub struct Door(pub(crate) Arc<Keys>);

/// A session as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// E.g. `"9f3a6c01"`.
    pub id: String,
    /// How it began.
    pub kind: Kind,
    /// Where it is valid.
    pub listener: Listener,
    /// E.g. `"Firefox on Linux"`.
    pub device: String,
    /// When it began.
    pub created: SystemTime,
    /// When it was used last.
    pub used: SystemTime,
    /// Requests since the program started, where they are counted: from outside.
    pub requests: u64,
    /// Bytes it sent and got since then.
    pub bytes: u64,
}

/// A passkey as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyView {
    /// E.g. `"9f3a6c01"`.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// The public name it counts for, e.g. `"nexus.example.com"`.
    pub host: String,
    /// When it was made.
    pub created: SystemTime,
    /// When it was used last.
    pub used: SystemTime,
}

impl PasskeyView {
    fn of(passkey: Passkey) -> Self {
        Self {
            created: from_ms(passkey.created_ms),
            used: from_ms(passkey.used_ms),
            id: passkey.id,
            name: passkey.name,
            host: passkey.host,
        }
    }
}

/// A code for one device.
#[derive(Debug)]
pub struct Pairing {
    /// What the device opens, e.g. `https://nexus.example.com/pair?code=…`. It contains the secret.
    pub link: Secret,
    /// Where this machine is reached, e.g. `https://nexus.example.com`.
    pub site: String,
    /// How long it is valid.
    pub life: Duration,
}

/// Nothing can be reached from outside, so nothing can be paired.
#[derive(Debug, thiserror::Error)]
#[error(
    "This machine cannot be reached from outside right now: `nexus tunnel status` says why, and `nexus tunnel start` switches it on."
)]
pub struct NotReachable;

impl SessionView {
    pub(crate) fn of(session: &Session) -> Self {
        let (requests, bytes) = session.allowance.used();
        Self {
            requests,
            bytes,
            id: session.id.clone(),
            kind: session.kind,
            listener: session.listener,
            device: session.device.clone(),
            created: session.created,
            used: session.used(),
        }
    }
}

impl Door {
    /// Where the local listener answers, e.g. `http://127.0.0.1:41234`; `None` while it does not.
    pub fn local_url(&self) -> watch::Receiver<Option<String>> {
        self.0.local_url.subscribe()
    }

    /// Where this machine is reached from outside, e.g. `https://nexus.example.com`; `None` while it is not.
    pub fn public_url(&self) -> Option<String> {
        self.0.public_url.borrow().clone()
    }

    /// Makes a single-use ticket that leads to `path`, e.g. `/chat`. Lives for a minute, a set-up ticket for ten.
    pub fn ticket(&self, purpose: Purpose, path: &str) -> Ticket {
        self.0.tickets.issue(purpose, path, Instant::now())
    }

    /// Makes a code with which one device enters from outside without the password, within ten minutes.
    ///
    /// # Errors
    /// [`NotReachable`] while there is no address to scan.
    pub fn pairing(&self) -> Result<Pairing, NotReachable> {
        self.pairing_in_place_of(None)
    }

    /// The same for the device that has this session, to find this machine at its present address. It leads in only while
    /// that session lives, which ends then.
    ///
    /// # Errors
    /// As [`pairing`](Self::pairing).
    pub fn pairing_again(&self, session: &str) -> Result<Pairing, NotReachable> {
        self.pairing_in_place_of(Some(session.to_owned()))
    }

    fn pairing_in_place_of(&self, session: Option<String>) -> Result<Pairing, NotReachable> {
        let site = self.0.public_url.borrow().clone().ok_or(NotReachable)?;
        tracing::info!(target: "audit", event = "pairing_code", in_place_of = session, "a code for a device was made");
        let ticket = self
            .0
            .tickets
            .issue_in_place_of(session, Purpose::Pairing, "/chat", Instant::now());
        Ok(Pairing {
            link: ticket.pairing_link(&site),
            life: ticket.life,
            site,
        })
    }

    /// Whether a password is set. Reads one small file.
    pub fn has_password(&self) -> bool {
        self.0.credential.is_set()
    }

    /// Allows logging in again, after too many wrong passwords had ended it: from outside, and from every address.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn allow_logins(&self) -> Result<(), StoreError> {
        tracing::info!(target: "audit", event = "remote_login_on", "logging in from outside is allowed again");
        self.0.throttle.reopen().await
    }

    /// Whether a code is asked for beside the password when somebody logs in from outside. Reads one small file.
    pub fn second_factor(&self) -> Standing {
        self.0.second.standing()
    }

    /// A new secret for an authenticator app. Nothing is asked for before [`confirm`](Self::confirm_second_factor).
    ///
    /// # Errors
    /// When the keyring could not keep it.
    pub async fn offer_second_factor(&self) -> Result<Offer, SecondFactorError> {
        self.0.second.offer(&kit::machine_name(), Instant::now()).await
    }

    /// Asks for codes from now on, when `code` shows that an app knows the secret that was offered within the last ten
    /// minutes. Gives the recovery codes, which are kept nowhere. Once begun it is done to the end, even if whoever asked
    /// goes away.
    ///
    /// # Errors
    /// [`SecondFactorError`]; what was asked for before is asked for still.
    pub async fn confirm_second_factor(&self, code: &Secret) -> Result<Vec<Secret>, SecondFactorError> {
        let (door, code) = (self.clone(), code.clone());
        to_its_end(async move {
            let (now, instant) = (door.0.clock.wall(), Instant::now());
            let codes = door.0.second.confirm(code.expose(), now, instant).await?;
            // A login that is under way and was asked for the password alone is to begin again.
            door.0.outdate_proofs();
            door.tell_second_factor(
                "on",
                "It is asked for beside the password when somebody logs in from outside. Devices that are logged in stay so.",
            );
            Ok(codes)
        })
        .await
    }

    /// New recovery codes in place of the former ones.
    ///
    /// # Errors
    /// [`SecondFactorError`]; the former ones stay good then.
    pub async fn new_recovery_codes(&self) -> Result<Vec<Secret>, SecondFactorError> {
        self.0.second.renew().await
    }

    /// Asks for the password alone again.
    ///
    /// # Errors
    /// When the file cannot be removed; codes are asked for as before then.
    pub async fn switch_second_factor_off(&self) -> Result<(), SecondFactorError> {
        self.0.second.switch_off().await?;
        self.tell_second_factor("off", "The password alone is enough to log in from outside.");
        Ok(())
    }

    fn tell_second_factor(&self, how: &str, meaning: &str) {
        self.0.notices.send(Notice {
            kind: NoticeKind::Login,
            key: "second-factor".to_owned(),
            title: format!("The second factor is {how}"),
            body: format!("{meaning} If this was not you, look at the page of the devices."),
            page: "/devices".to_owned(),
            answers: Vec::new(),
            away: None,
        });
    }

    /// A passphrase worth using.
    pub fn suggest(&self) -> Secret {
        credential::passphrase()
    }

    /// Sets the password and ends all sessions and tickets. Needs no current one: whoever holds a `Door` owns the file.
    ///
    /// # Errors
    /// [`SetError`]: too easy to guess, or not saved.
    pub async fn set_password(&self, password: Secret) -> Result<(), SetError> {
        let setting = self.0.set_password(Provided::AtTheMachine, password, None).await;
        setting.map_err(|error| match error {
            NotSet::Refused(error) => error,
            // What is only ever said to pages: at the machine nothing is asked for and nobody waits.
            other @ (NotSet::Overtaken | NotSet::SetAlready | NotSet::Busy(_)) => SetError::NotSaved {
                path: "credential".into(),
                source: std::io::Error::other(other),
            },
        })
    }

    /// Sets the first password from a page. Only for a session that began with a ticket at this machine, and only
    /// while there is none: whoever comes first from elsewhere must not become the owner.
    ///
    /// # Errors
    /// A sentence for the person.
    pub async fn set_first_password(&self, caller: &Caller, password: Secret) -> Result<(), String> {
        if !self.may_set_first_password(caller) {
            return Err(
                "The first password is set at the machine itself: run `nexus open` there.".to_owned(),
            );
        }
        let kept = Some(caller.session.as_str());
        let setting = self.0.set_password(Provided::Absent, password, kept).await;
        setting.map_err(|error| match error {
            NotSet::SetAlready | NotSet::Overtaken => {
                "A password is set already. Change it on the page of the devices.".to_owned()
            }
            NotSet::Busy(_) => "Too many passwords are being set. Try again in a moment.".to_owned(),
            NotSet::Refused(error) => error.to_string(),
        })
    }

    pub(crate) fn may_set_first_password(&self, caller: &Caller) -> bool {
        let began_with_ticket = |session: Arc<Session>| match session.kind {
            Kind::Link | Kind::Window => true,
            Kind::Login | Kind::Paired | Kind::Passkey | Kind::Script => false,
        };
        caller.listener == Listener::Local
            && self
                .0
                .sessions
                .get(&caller.session)
                .is_some_and(began_with_ticket)
    }

    /// Every session, the most recently used first.
    pub fn sessions(&self) -> Vec<SessionView> {
        self.0
            .sessions
            .list()
            .iter()
            .map(|session| SessionView::of(session))
            .collect()
    }

    /// Whether the session `id` lives.
    pub fn has_session(&self, id: &str) -> bool {
        self.0.sessions.get(id).is_some()
    }

    /// How many sessions there are; changes whenever one begins or ends.
    pub fn session_count(&self) -> watch::Receiver<usize> {
        self.0.sessions.count()
    }

    /// How many streams (open pages, event streams) there are.
    pub fn streams(&self) -> usize {
        *self.0.streams.borrow()
    }

    /// Every passkey, the newest first.
    pub fn passkeys(&self) -> Vec<PasskeyView> {
        self.0.passkeys.list().into_iter().map(PasskeyView::of).collect()
    }

    /// Ends one session and its streams, or removes one passkey; tells whether there was one.
    ///
    /// # Errors
    /// When the database could not forget it: it is over, but would be back after a restart.
    pub async fn revoke(&self, id: &str) -> Result<bool, StoreError> {
        if self.0.passkeys.has(id) {
            return self.0.remove_passkey(id, None).await;
        }
        let count = self.0.sessions.end(|session| session.id == id).await?;
        if count > 0 {
            tracing::info!(target: "audit", event = "revoke", session = id, count, "a session was revoked");
        }
        Ok(count > 0)
    }

    /// Ends every session, every ticket and every passkey; tells how many sessions there were.
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke).
    pub async fn revoke_all(&self) -> Result<usize, StoreError> {
        let count = self.0.end_all_but(None).await?;
        tracing::info!(target: "audit", event = "revoke_all", count, "all sessions were revoked");
        Ok(count)
    }

    /// Makes a token for a script called `name`, for `Authorization: Bearer …` on `/api` of the local listener. Valid
    /// until revoked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn script_token(&self, name: &str) -> Result<Secret, StoreError> {
        let (session, token) = self.0.sessions.begin(Kind::Script, Listener::Local, name).await?;
        tracing::info!(target: "audit", event = "script_token", session = session.id, device = name, "a token for a script was made");
        Ok(token)
    }
}
