//! Passkeys: a device that has shown itself once enters with a key of its own, in place of password and code, whenever
//! its owner unlocks it there (<https://www.w3.org/TR/webauthn-3/>).
//!
//! A key belongs to the name under which it was made, so keys are made and asked for from outside alone, and only where
//! that name stays the same. The machine keeps the public half, in the database: whoever loses that has to log in with
//! the password. A new password, and the end of all sessions, end the keys as well.
//!
//! The list in memory decides; the database is its memory across restarts.

mod asked;
pub(crate) mod page;
mod table;

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use axum::http::{HeaderMap, header};
use store::{Store, StoreError};
use tokio::time::Instant;
use webauthn_rp::{
    AuthenticatedCredential, DiscoverableAuthentication64, DiscoverableAuthenticationServerState,
    DiscoverableCredentialRequestOptions, PublicKeyCredentialCreationOptions, Registration,
    RegistrationServerState,
    bin::{Decode, Encode},
    request::{
        AsciiDomain, PublicKeyCredentialDescriptor, RpId,
        auth::AuthenticationVerificationOptions,
        register::{
            CredProtect, PublicKeyCredentialUserEntity, RegistrationVerificationOptions, USER_HANDLE_MAX_LEN,
            UserHandle64,
        },
    },
    response::{
        AuthTransports, CredentialId,
        register::{DynamicState, StaticState},
    },
};

use crate::{
    clock::{Clock, to_ms},
    session::Session,
    throttle::Source,
    token,
};
use asked::Asked;

/// Passkeys in all.
pub(crate) const PASSKEYS_MAX: usize = 25;

/// What a device's own list of passkeys says they are for.
const ACCOUNT: &str = "opencode-nexus";

/// One passkey, with what is needed to check it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passkey {
    /// Names it in lists and logs, e.g. `"9f3a6c01"`.
    pub(crate) id: String,
    /// The public name it was made under, e.g. `"nexus.example.com"`, and the only one it counts for.
    pub(crate) host: String,
    /// What its owner calls it.
    pub(crate) name: String,
    /// What the device calls it.
    credential: Vec<u8>,
    /// Its public half; never changes.
    key: Vec<u8>,
    /// Its counter and what else changes with use.
    state: [u8; 7],
    pub(crate) created_ms: u64,
    pub(crate) used_ms: u64,
}

/// Why there is no new passkey.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAdded {
    #[error("there are {PASSKEYS_MAX} passkeys already; remove one first")]
    TooMany,
    #[error("the device took too long, or this page was used twice; try again")]
    NotAsked,
    #[error("what the device sent is no passkey for this address ({0}); try again, or another device")]
    Unusable(String),
    #[error("this passkey is known already")]
    Known,
    #[error("the session has ended meanwhile; log in again")]
    Ended,
    #[error("the passkey could not be saved: {0}")]
    Store(#[from] StoreError),
}

/// Why a passkey leads nowhere. Whoever tried is told the same of each.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotEntered {
    #[error("nothing was asked, or too long ago")]
    NotAsked,
    #[error("no such passkey is known under this name")]
    Unknown,
    #[error("it proves nothing: {0}")]
    Unproved(String),
    #[error("its use could not be saved: {0}")]
    Store(#[from] StoreError),
}

/// See the module.
pub(crate) struct Passkeys {
    store: Store,
    clock: Arc<Clock>,
    /// Who devices are told the keys belong to: nothing of the owner, and the same for every key.
    owner: UserHandle64,
    kept: RwLock<Vec<Passkey>>,
    /// Held from a change of the list to the same change of the database.
    changing: tokio::sync::Mutex<()>,
    /// The database may remember keys that are none any more.
    is_behind: AtomicBool,
    /// Whether the names under which this machine is reached stay the same.
    is_lasting: AtomicBool,
    /// What is asked of new keys, by session.
    offers: Asked<String, RegistrationServerState<USER_HANDLE_MAX_LEN>>,
    /// What is asked of known ones, by where it was asked from.
    logins: Asked<Source, DiscoverableAuthenticationServerState>,
}

impl Passkeys {
    /// Reads what the database remembers. Blocks.
    pub(crate) fn open(store: Store, clock: Arc<Clock>) -> Result<Self, StoreError> {
        table::migrate(&store)?;
        let fresh = || {
            UserHandle64::new()
                .encode()
                .unwrap_or_else(|never| match never {})
        };
        let owner = table::owner(&store, fresh)?;
        Ok(Self {
            owner: UserHandle64::decode(owner).unwrap_or_else(|never| match never {}),
            kept: RwLock::new(table::load(&store)?),
            changing: tokio::sync::Mutex::default(),
            is_behind: AtomicBool::new(false),
            is_lasting: AtomicBool::new(false),
            offers: Asked::default(),
            logins: Asked::default(),
            store,
            clock,
        })
    }

    /// Whether the public names of now are those of the next start too.
    pub(crate) fn set_lasting(&self, is_lasting: bool) {
        self.is_lasting.store(is_lasting, Ordering::Release);
    }

    /// The name of a request from outside, where keys can be made for it.
    pub(crate) fn host<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        // Admitted already: it is a public name of ours.
        let host = headers.get(header::HOST)?.to_str().ok()?;
        let is_lasting = self.is_lasting.load(Ordering::Acquire);
        (is_lasting && relying_party(host).is_some()).then_some(host)
    }

    /// Every passkey, the newest first.
    pub(crate) fn list(&self) -> Vec<Passkey> {
        let mut list = self.read().clone();
        list.sort_by_key(|passkey| std::cmp::Reverse(passkey.created_ms));
        list
    }

    /// Whether there is one for `host`.
    pub(crate) fn has_for(&self, host: &str) -> bool {
        self.read().iter().any(|passkey| passkey.host == host)
    }

    /// Whether the passkey `id` is one still.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.read().iter().any(|passkey| passkey.id == id)
    }

    /// What a browser is given to make a key for `host` in `session`, as JSON.
    pub(crate) fn offer(&self, host: &str, session: &str) -> Option<String> {
        let party = relying_party(host)?;
        let known = self.read().clone();
        let known = known.into_iter().filter(|passkey| passkey.host == host);
        let known = known
            .filter_map(|passkey| descriptor(passkey.credential))
            .collect();
        let owner = PublicKeyCredentialUserEntity {
            name: ACCOUNT.try_into().ok()?,
            id: &self.owner,
            display_name: None,
        };
        let mut options = PublicKeyCredentialCreationOptions::passkey(&party, owner, known);
        // The device is asked to know its owner each time; some that do cannot be told to refuse everybody else.
        options.extensions.cred_protect = CredProtect::None;
        let (asked, told) = options.start_ceremony().ok()?;
        let (by, within) = (session.to_owned(), session.to_owned());
        self.offers.add(by, within, asked, Instant::now());
        serde_json::to_string(&told).ok()
    }

    /// Takes the key that a browser made for `host` in `session`, and gives its id. To be waited for to its end: list and
    /// database belong together.
    pub(crate) async fn add(
        &self,
        session: &Session,
        host: &str,
        name: &str,
        made: &str,
    ) -> Result<String, NotAdded> {
        let _changing = self.changing.lock().await;
        if self.read().len() >= PASSKEYS_MAX {
            return Err(NotAdded::TooMany);
        }
        let passkey = self.made(&session.id, host, name, made)?;
        let is_same = |known: &Passkey| known.credential == passkey.credential;
        if self.read().iter().any(is_same) {
            return Err(NotAdded::Known);
        }
        table::insert(&self.store, passkey.clone()).await?;
        let id = passkey.id.clone();
        self.write().push(passkey);
        // Whatever has ended the session may have looked for its keys before this one was there.
        if session.ended.is_cancelled() {
            self.write().retain(|passkey| passkey.id != id);
            self.catch_up().await?;
            return Err(NotAdded::Ended);
        }
        Ok(id)
    }

    /// The key that a browser made, if it is one. What was asked is used up, whatever comes of it.
    fn made(&self, session: &str, host: &str, name: &str, made: &str) -> Result<Passkey, NotAdded> {
        let unusable = |error: &dyn std::fmt::Display| NotAdded::Unusable(error.to_string());
        let made = Registration::from_json_relaxed(made.as_bytes()).map_err(|error| unusable(&error))?;
        let challenge = made.challenge_relaxed().map_err(|error| unusable(&error))?;
        let asked = self.offers.take(challenge, |by| by == session);
        let asked = asked.ok_or(NotAdded::NotAsked)?;
        let party = relying_party(host).ok_or(NotAdded::NotAsked)?;
        let rules = RegistrationVerificationOptions::<&str, &str> {
            error_on_unsolicited_extensions: false,
            ..Default::default()
        };
        let verified = asked.verify(&party, &made, &rules);
        let verified = verified.map_err(|error| unusable(&error))?;
        let now = to_ms(self.clock.now());
        Ok(Passkey {
            id: token::short_id(),
            host: host.to_owned(),
            name: name.to_owned(),
            credential: verified.id().as_ref().to_vec(),
            key: verified
                .static_state()
                .encode()
                .map_err(|error| unusable(&error))?,
            state: encoded(verified.dynamic_state()),
            created_ms: now,
            used_ms: now,
        })
    }

    /// What a browser is given to prove a key for `host`, as JSON; `None` where there is none.
    pub(crate) fn ask(&self, host: &str, source: Source) -> Option<String> {
        let party = relying_party(host).filter(|_| self.has_for(host))?;
        let (asked, told) = DiscoverableCredentialRequestOptions::passkey(&party)
            .start_ceremony()
            .ok()?;
        let within = source.network();
        self.logins.add(source, within, asked, Instant::now());
        serde_json::to_string(&told).ok()
    }

    /// The passkey that a browser has proved for `host`. What was asked is used up, whatever comes of it.
    pub(crate) async fn proved(&self, host: &str, proof: &str) -> Result<Passkey, NotEntered> {
        let unproved = |error: &dyn std::fmt::Display| NotEntered::Unproved(error.to_string());
        let proof = DiscoverableAuthentication64::from_json_relaxed(proof.as_bytes())
            .map_err(|error| unproved(&error))?;
        let challenge = proof.challenge_relaxed().map_err(|error| unproved(&error))?;
        // Phones change their address while their owner looks for the sensor.
        let asked = self.logins.take(challenge, |_anybody| true);
        let asked = asked.ok_or(NotEntered::NotAsked)?;
        let party = relying_party(host).ok_or(NotEntered::NotAsked)?;
        let is_meant =
            |passkey: &&Passkey| passkey.host == host && passkey.credential == proof.raw_id().as_ref();
        let found = self.read().iter().find(is_meant).cloned();
        let mut passkey = found.ok_or(NotEntered::Unknown)?;
        let key = StaticState::decode(passkey.key.as_slice()).map_err(|error| unproved(&error))?;
        let state = DynamicState::decode(passkey.state).map_err(|error| unproved(&error))?;
        let mut known = AuthenticatedCredential::new(proof.raw_id(), &self.owner, key, state)
            .map_err(|error| unproved(&error))?;
        let rules = AuthenticationVerificationOptions::<&str, &str> {
            error_on_unsolicited_extensions: false,
            ..Default::default()
        };
        asked
            .verify(&party, &proof, &mut known, &rules)
            .map_err(|error| unproved(&error))?;
        passkey.state = encoded(known.dynamic_state());
        passkey.used_ms = to_ms(self.clock.now());
        // A counter that is not saved would let a copy of the key in after the next start.
        table::used(&self.store, passkey.clone()).await?;
        if let Some(kept) = self.write().iter_mut().find(|kept| kept.id == passkey.id) {
            kept.clone_from(&passkey);
        }
        Ok(passkey)
    }

    /// Forgets those that `is_over` names; tells how many. From here on they let nobody in.
    pub(crate) fn forget(&self, is_over: impl Fn(&Passkey) -> bool) -> usize {
        let mut kept = self.write();
        let before = kept.len();
        kept.retain(|passkey| !is_over(passkey));
        before - kept.len()
    }

    /// As [`forget`](Self::forget), also over a restart.
    ///
    /// # Errors
    /// When the database could not forget them: that is tried again by [`tidy`](Self::tidy).
    pub(crate) async fn remove(&self, is_over: impl Fn(&Passkey) -> bool) -> Result<usize, StoreError> {
        let count = self.forget(is_over);
        let _changing = self.changing.lock().await;
        self.catch_up().await?;
        Ok(count)
    }

    /// Has the database forget what it could not forget at the time.
    ///
    /// # Errors
    /// When it still cannot.
    pub(crate) async fn tidy(&self) -> Result<(), StoreError> {
        if !self.is_behind.load(Ordering::Acquire) {
            return Ok(());
        }
        let _changing = self.changing.lock().await;
        self.catch_up().await
    }

    /// Has the database remember what is in the list and nothing else.
    async fn catch_up(&self) -> Result<(), StoreError> {
        self.is_behind.store(true, Ordering::Release);
        let kept: Vec<String> = self.read().iter().map(|passkey| passkey.id.clone()).collect();
        table::keep_only(&self.store, kept).await?;
        self.is_behind.store(false, Ordering::Release);
        Ok(())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<Passkey>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Vec<Passkey>> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom a key is for; `None` where the name is an address or the like, for which browsers make none.
fn relying_party(host: &str) -> Option<RpId> {
    let is_name = host.contains('.') && host.parse::<std::net::IpAddr>().is_err();
    let domain = AsciiDomain::try_from(host.to_owned()).ok()?;
    is_name.then_some(RpId::Domain(domain))
}

fn descriptor(credential: Vec<u8>) -> Option<PublicKeyCredentialDescriptor<Vec<u8>>> {
    Some(PublicKeyCredentialDescriptor {
        id: CredentialId::decode(credential).ok()?,
        transports: AuthTransports::decode(0).ok()?,
    })
}

fn encoded(state: DynamicState) -> [u8; 7] {
    state.encode().unwrap_or_else(|never| match never {})
}
