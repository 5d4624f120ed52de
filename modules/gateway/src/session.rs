//! Sessions: who is logged in, on which listener, until when.
//!
//! The table in memory decides; the database is its memory across restarts and holds fingerprints only. A check costs
//! one hash and one look into the table. Ending a session takes it out of the table first, so that nothing is
//! authorised from that moment on, and ends its streams.

mod table;

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use kit::{Caller, CancellationToken, Listener, Secret};
use store::{Store, StoreError};
use tokio::sync::watch;

use crate::{
    allowance::Allowance,
    clock::{Clock, from_ms, to_ms},
    token::{self, Fingerprint},
};

/// How long a session lives, used or not.
pub const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long a session of the tunnel listener lives without use.
const TUNNEL_IDLE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Sessions made by logging in or by a link; the oldest makes room for a further one.
pub const SESSIONS_MAX: usize = 25;

/// Tokens for scripts.
pub const SCRIPTS_MAX: usize = 25;

/// How a session began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// With the password.
    Login,
    /// With a single-use link.
    Link,
    /// With a code that was shown at the machine and scanned by a phone.
    Paired,
    /// With a passkey.
    Passkey,
    /// By the program's own window; there is one at a time, and it does not count.
    Window,
    /// A named token for scripts, on the local listener only.
    Script,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Login,
        Self::Link,
        Self::Paired,
        Self::Passkey,
        Self::Window,
        Self::Script,
    ];

    /// The word in the database and in lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Link => "link",
            Self::Paired => "paired",
            Self::Passkey => "passkey",
            Self::Window => "window",
            Self::Script => "script",
        }
    }

    /// The words on a page.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Login => "logged in with the password",
            Self::Link => "entered with a link",
            Self::Paired => "paired with a code",
            Self::Passkey => "entered with a passkey",
            Self::Window => "the program's own window",
            Self::Script => "a script's token",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One session. What changes in it changes without a lock.
#[derive(Debug)]
pub struct Session {
    /// Names it in lists and logs, e.g. `"9f3a6c01"`.
    pub id: String,
    /// How it began.
    pub kind: Kind,
    /// Where it began, and the only place it is valid.
    pub listener: Listener,
    /// What the person would call it, e.g. `"Firefox on Linux"` or a script's name.
    pub device: String,
    /// When it began.
    pub created: SystemTime,
    proved_ms: AtomicU64,
    used_ms: AtomicU64,
    /// Cancelled when the session ends, for whatever reason: its streams end with it.
    pub ended: CancellationToken,
    pub(crate) streams: AtomicUsize,
    /// What it has used of the line.
    pub(crate) allowance: Allowance,
}

impl Session {
    /// When it was used last.
    pub fn used(&self) -> SystemTime {
        from_ms(self.used_ms.load(Ordering::Relaxed))
    }

    /// The caller of a request in this session at `now`.
    pub fn caller(&self, now: SystemTime) -> Caller {
        Caller {
            asked_at: now,
            session: self.id.clone(),
            listener: self.listener,
            proved_at: from_ms(self.proved_ms.load(Ordering::Relaxed)),
        }
    }

    fn is_expired(&self, now: SystemTime) -> bool {
        self.expires().is_some_and(|at| at <= now)
    }

    /// When it ends by itself, unless it is used until then; never for a script's token, which is revoked by hand:
    /// nobody is there to log in again.
    fn expires(&self) -> Option<SystemTime> {
        let idle = (self.listener == Listener::Tunnel).then(|| self.used() + TUNNEL_IDLE_MAX);
        let old = (self.kind != Kind::Script).then(|| self.created + LIFE);
        [idle, old].into_iter().flatten().min()
    }
}

/// All sessions. See the module.
pub struct Sessions {
    store: Store,
    clock: Arc<Clock>,
    table: RwLock<HashMap<Fingerprint, Arc<Session>>>,
    count: watch::Sender<usize>,
    /// The last use written to the database.
    written_ms: AtomicU64,
}

impl Sessions {
    /// Reads what the database remembers. Blocks.
    ///
    /// # Errors
    /// When the database fails.
    pub fn open(store: Store, clock: Arc<Clock>) -> Result<Self, StoreError> {
        table::migrate(&store)?;
        let sessions = table::load(&store)?;
        let highest = sessions.iter().map(|(_, session)| session.used()).max();
        clock.not_before(highest.unwrap_or(SystemTime::UNIX_EPOCH));
        let table: HashMap<_, _> = sessions.into_iter().collect();
        Ok(Self {
            store,
            count: watch::Sender::new(table.len()),
            written_ms: AtomicU64::new(to_ms(clock.now())),
            clock,
            table: RwLock::new(table),
        })
    }

    /// Begins a session with a token of its own and ends those that have to make room.
    ///
    /// # Errors
    /// When the database fails; there is no session then.
    pub async fn begin(
        &self,
        kind: Kind,
        listener: Listener,
        device: &str,
    ) -> Result<(Arc<Session>, Secret), StoreError> {
        let now = to_ms(self.clock.now());
        let session = Arc::new(Session {
            id: token::short_id(),
            kind,
            listener,
            device: device.chars().take(DEVICE_CHARS_MAX).collect(),
            created: from_ms(now),
            proved_ms: AtomicU64::new(now),
            used_ms: AtomicU64::new(now),
            ended: CancellationToken::new(),
            streams: AtomicUsize::new(0),
            allowance: Allowance::default(),
        });
        let secret = match kind {
            Kind::Script => Secret::new(format!("{SCRIPT_PREFIX}{}", token::fresh().expose())),
            Kind::Login | Kind::Link | Kind::Paired | Kind::Passkey | Kind::Window => token::fresh(),
        };
        // A fresh token always has a fingerprint: it is made of exactly the digits that are asked for.
        let fingerprint = bare_fingerprint(secret.expose()).unwrap_or_default();
        table::insert(&self.store, fingerprint, Arc::clone(&session)).await?;
        self.write_table().insert(fingerprint, Arc::clone(&session));
        self.make_room(&session).await?;
        self.publish();
        Ok((session, secret))
    }

    /// The session a cookie's value stands for on `listener`, if it is valid now.
    pub fn find(&self, token: &str, listener: Listener) -> Option<Arc<Session>> {
        let session = self.look_up(token::fingerprint(token)?, listener)?;
        (session.kind != Kind::Script).then_some(session)
    }

    /// The session a script's token stands for.
    pub fn find_script(&self, token: &str) -> Option<Arc<Session>> {
        let fingerprint = token::fingerprint(token.strip_prefix(SCRIPT_PREFIX)?)?;
        let session = self.look_up(fingerprint, Listener::Local)?;
        (session.kind == Kind::Script).then_some(session)
    }

    fn look_up(&self, fingerprint: Fingerprint, listener: Listener) -> Option<Arc<Session>> {
        let session = {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(table.get(&fingerprint)?)
        };
        let now = self.clock.now();
        if session.listener != listener || session.ended.is_cancelled() || session.is_expired(now) {
            return None;
        }
        session.used_ms.store(to_ms(now), Ordering::Relaxed);
        Some(session)
    }

    /// The person has proved who they are again: the session counts as fresh.
    pub(crate) fn proved(&self, session: &Session) {
        session
            .proved_ms
            .store(to_ms(self.clock.now()), Ordering::Relaxed);
    }

    /// The session called `id`.
    pub fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.list().into_iter().find(|session| session.id == id)
    }

    /// Every session, the most recently used first.
    pub fn list(&self) -> Vec<Arc<Session>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let mut sessions: Vec<_> = table.values().cloned().collect();
        drop(table);
        sessions.sort_by_key(|session| std::cmp::Reverse((session.used(), session.created)));
        sessions
    }

    /// How many there are; watched by the gateway's status.
    pub(crate) fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// Ends every session that `is_over` names, with its streams. When this returns, nothing is authorised by them.
    ///
    /// # Errors
    /// When the database could not forget them: they are over now, but would come back after a restart.
    pub async fn end(&self, is_over: impl Fn(&Session) -> bool) -> Result<usize, StoreError> {
        let mut gone = Vec::new();
        self.write_table().retain(|fingerprint, session| {
            let stays = !is_over(session);
            if !stays {
                session.ended.cancel();
                gone.push(*fingerprint);
            }
            stays
        });
        let count = gone.len();
        if count > 0 {
            self.publish();
            table::delete(&self.store, gone).await?;
        }
        Ok(count)
    }

    /// How long until the next session expires if none is used until then; `None` when none ever does.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        let now = self.clock.now();
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let first = table.values().filter_map(|session| session.expires()).min()?;
        Some(first.duration_since(now).unwrap_or_default())
    }

    /// Ends what has expired and writes down when sessions were used. Called now and then, and once at the end.
    ///
    /// # Errors
    /// When the database fails; it is tried again with the next call.
    pub async fn tidy(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.end(|session| session.is_expired(now)).await?;
        let since = self.written_ms.load(Ordering::Relaxed);
        let is_newer = |session: &Arc<Session>| session.used_ms.load(Ordering::Relaxed) > since;
        let used: Vec<_> = self.list().into_iter().filter(is_newer).collect();
        if !used.is_empty() {
            table::touch(&self.store, used).await?;
            self.written_ms.store(to_ms(now), Ordering::Relaxed);
        }
        Ok(())
    }

    async fn make_room(&self, newest: &Session) -> Result<(), StoreError> {
        let is_alike = |session: &Session| match newest.kind {
            Kind::Window => session.kind == Kind::Window,
            Kind::Script => session.kind == Kind::Script,
            Kind::Login | Kind::Link | Kind::Paired | Kind::Passkey => {
                !matches!(session.kind, Kind::Window | Kind::Script)
            }
        };
        let places = match newest.kind {
            Kind::Window => 1,
            Kind::Script => SCRIPTS_MAX,
            Kind::Login | Kind::Link | Kind::Paired | Kind::Passkey => SESSIONS_MAX,
        };
        let others = self
            .list()
            .into_iter()
            .filter(|session| is_alike(session) && session.id != newest.id);
        let surplus: Vec<String> = others
            .skip(places - 1)
            .map(|session| session.id.clone())
            .collect();
        if !surplus.is_empty() {
            self.end(|session| surplus.contains(&session.id)).await?;
        }
        Ok(())
    }

    fn publish(&self) {
        let count = self.table.read().unwrap_or_else(PoisonError::into_inner).len();
        self.count.send_replace(count);
    }

    fn write_table(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<Fingerprint, Arc<Session>>> {
        // Nothing panics while the lock is held; if it ever does, the map is still whole.
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So that a token found in a file says where it belongs, to people and to secret scanners.
const SCRIPT_PREFIX: &str = "nexus_";

/// Longest name of a device.
const DEVICE_CHARS_MAX: usize = 64;

fn bare_fingerprint(secret: &str) -> Option<Fingerprint> {
    token::fingerprint(secret.strip_prefix(SCRIPT_PREFIX).unwrap_or(secret))
}

#[cfg(test)]
mod tests;
