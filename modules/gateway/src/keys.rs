//! Everything that decides who enters, in one place.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use axum::http::HeaderMap;
use kit::{Dirs, Listener, Notice, NoticeKind, NoticeSender, Secrets, Setting, SettingsFile};
use store::{Store, StoreError, rusqlite::OptionalExtension};
use tokio::sync::watch;

use crate::{
    clock::Clock,
    cookie::CookieName,
    credential::{Credential, SetError},
    hashing::{Busy, Hashing},
    passkey::Passkeys,
    second::SecondFactor,
    session::{Kind, Session, Sessions},
    settings::GatewaySettings,
    throttle::Throttle,
    ticket::Tickets,
    token,
};

/// Streams (sockets, event streams) of one session.
pub(crate) const SESSION_STREAMS_MAX: usize = 16;

/// Streams in all.
pub(crate) const STREAMS_MAX: usize = 200;

const STEPS: &[&str] =
    &["CREATE TABLE gateway_fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"];

pub(crate) struct Keys {
    pub(crate) store: Store,
    pub(crate) clock: Arc<Clock>,
    pub(crate) credential: Credential,
    pub(crate) second: SecondFactor,
    pub(crate) passkeys: Passkeys,
    pub(crate) sessions: Sessions,
    pub(crate) tickets: Tickets,
    pub(crate) throttle: Throttle,
    pub(crate) hashing: Hashing,
    pub(crate) notices: NoticeSender,
    pub(crate) local_url: watch::Sender<Option<String>>,
    /// Where the tunnel's listener answers, while it does.
    pub(crate) public_url: watch::Sender<Option<String>>,
    pub(crate) streams: watch::Sender<usize>,
    pub(crate) settings: Setting<GatewaySettings>,
    pub(crate) file: Arc<SettingsFile>,
    cookies: [CookieName; 2],
    /// Passwords set since the start; see [`Proof`].
    generation: AtomicU64,
    /// Held by whoever sets a password, from looking at the present one to the end of the sessions.
    setting: tokio::sync::Mutex<()>,
}

/// That a password was right, and which one it was: worth nothing once another one is set.
///
/// A check takes a tenth of a second. It says what was right when it began, so whoever acts on it asks again with
/// [`Keys::holds`] when that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proof(u64);

/// On what condition a password is replaced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Provided {
    /// On none: the person is at the machine and owns the file.
    AtTheMachine,
    /// That this proof of the present one still holds.
    Proved(Proof),
    /// That there is none yet. Asked for by a page, so the hash waits for its turn like those of logins.
    Absent,
}

/// Why a password was not replaced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSet {
    #[error(transparent)]
    Refused(#[from] SetError),
    #[error("the password was changed elsewhere in the meantime")]
    Overtaken,
    #[error("a password is set already")]
    SetAlready,
    #[error(transparent)]
    Busy(#[from] Busy),
}

impl Keys {
    /// Reads what the database remembers. Blocks.
    pub(crate) fn open(
        store: Store,
        dirs: &Dirs,
        secrets: Arc<dyn Secrets>,
        notices: NoticeSender,
        clock: Arc<Clock>,
        file: Arc<SettingsFile>,
    ) -> Result<Self, StoreError> {
        store.migrate("gateway", STEPS)?;
        let installation = match fact(&store, "installation")? {
            Some(known) => known,
            None => {
                let fresh = token::short_id();
                remember_blocking(&store, "installation", &fresh)?;
                fresh
            }
        };
        Ok(Self {
            credential: Credential::at(&dirs.config),
            second: SecondFactor::new(&dirs.config, secrets),
            passkeys: Passkeys::open(store.clone(), Arc::clone(&clock))?,
            sessions: Sessions::open(store.clone(), Arc::clone(&clock))?,
            tickets: Tickets::default(),
            throttle: Throttle::open(store.clone(), Arc::clone(&clock))?,
            hashing: Hashing::default(),
            notices,
            local_url: watch::Sender::new(None),
            public_url: watch::Sender::new(None),
            streams: watch::Sender::new(0),
            cookies: [Listener::Local, Listener::Tunnel]
                .map(|listener| CookieName::new(listener, &installation)),
            generation: AtomicU64::new(0),
            setting: tokio::sync::Mutex::default(),
            settings: file.section(),
            file,
            store,
            clock,
        })
    }

    pub(crate) fn cookie(&self, listener: Listener) -> &CookieName {
        match listener {
            Listener::Local => &self.cookies[0],
            Listener::Tunnel => &self.cookies[1],
        }
    }

    /// The session of a request's cookie: of all values under our name exactly one has to be a session.
    pub(crate) fn session(&self, listener: Listener, headers: &HeaderMap) -> Option<Arc<Session>> {
        let values = self.cookie(listener).values(headers);
        let mut live = values.filter_map(|token| self.sessions.find(token, listener));
        let session = live.next()?;
        live.next().is_none().then_some(session)
    }

    /// Whether a password is the one that is set, when its turn has come.
    pub(crate) async fn verify(
        self: &Arc<Self>,
        listener: Listener,
        password: kit::Secret,
    ) -> Result<Option<Proof>, Busy> {
        // Before the file is read: a password that is set from here on makes the proof worthless.
        let proof = Proof(self.generation.load(Ordering::Acquire));
        let credential = self.credential.clone();
        let is_right = self
            .hashing
            .run(listener, move || credential.verify(password.expose()))
            .await?;
        Ok(is_right.then_some(proof))
    }

    /// Whether the password that `proof` speaks of is still the one.
    pub(crate) fn holds(&self, proof: Proof) -> bool {
        self.generation.load(Ordering::Acquire) == proof.0
    }

    /// From here on no proof that was given holds any more.
    pub(crate) fn outdate_proofs(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Sets a password and ends every session but `kept`, with its streams, and every ticket.
    ///
    /// Once begun it is done to the end, even if whoever asked goes away: a new password beside the old sessions would
    /// be half a change.
    pub(crate) async fn set_password(
        self: &Arc<Self>,
        provided: Provided,
        password: kit::Secret,
        kept: Option<&str>,
    ) -> Result<(), NotSet> {
        let (keys, kept) = (Arc::clone(self), kept.map(str::to_owned));
        to_its_end(async move { keys.replace_password(provided, password, kept.as_deref()).await }).await
    }

    async fn replace_password(
        &self,
        provided: Provided,
        password: kit::Secret,
        kept: Option<&str>,
    ) -> Result<(), NotSet> {
        let _setting = self.setting.lock().await;
        let credential = self.credential.clone();
        let set = move || credential.set(password.expose());
        match provided {
            Provided::Proved(proof) if !self.holds(proof) => return Err(NotSet::Overtaken),
            Provided::Absent if self.credential.is_set() => return Err(NotSet::SetAlready),
            Provided::Absent => self.hashing.run(Listener::Local, set).await??,
            // A person at the machine, or with a session that was proved a moment ago: no queue to wait in.
            Provided::AtTheMachine | Provided::Proved(_) => tokio::task::spawn_blocking(set)
                .await
                .unwrap_or_else(|panicked| Err(not_saved(panicked)))?,
        }
        // First what is under way loses its proof, then what has begun ends: no login falls between the two.
        self.outdate_proofs();
        if let Err(error) = self.end_all(kept).await {
            tracing::warn!(%error, "ended sessions could not be removed from the database");
        }
        tracing::info!(target: "audit", event = "password_set", kept, "the password was set");
        self.notices.send(Notice {
            kind: NoticeKind::Login,
            key: "password".to_owned(),
            title: "The password was changed".to_owned(),
            body: "All other sessions have ended and log in again with the new one; passkeys are to be made anew. If this \
                   was not you, set a new password at the machine with `nexus password set`."
                .to_owned(),
            page: "/devices".to_owned(),
            answers: Vec::new(),
            away: None,
        });
        Ok(())
    }

    /// Ends every session but `kept`, every ticket and every passkey: what was handed out before leads nowhere.
    pub(crate) async fn end_all_but(self: &Arc<Self>, kept: Option<&str>) -> Result<usize, StoreError> {
        let (keys, kept) = (Arc::clone(self), kept.map(str::to_owned));
        to_its_end(async move { keys.end_all(kept.as_deref()).await }).await
    }

    async fn end_all(&self, kept: Option<&str>) -> Result<usize, StoreError> {
        // First what leads in: of what is being used now, either the session is there before the sessions end, or none is
        // begun.
        self.tickets.clear();
        self.passkeys.forget(|_| true);
        let ended = self
            .sessions
            .end(|session| Some(session.id.as_str()) != kept)
            .await;
        // Once more: a session that has just ended may have been making one.
        self.passkeys.remove(|_| true).await.and(ended)
    }

    /// Forgets one passkey, and ends what passkeys have begun but `kept`: whoever holds that one may be in. Tells whether
    /// there was one.
    pub(crate) async fn remove_passkey(
        self: &Arc<Self>,
        id: &str,
        kept: Option<&str>,
    ) -> Result<bool, StoreError> {
        let (keys, id, kept) = (Arc::clone(self), id.to_owned(), kept.map(str::to_owned));
        to_its_end(async move {
            let is_over = |session: &Session| {
                session.kind == Kind::Passkey && Some(session.id.as_str()) != kept.as_deref()
            };
            let count = keys.passkeys.forget(|passkey| passkey.id == id);
            let ended = if count > 0 { keys.sessions.end(is_over).await } else { Ok(0) };
            tracing::info!(target: "audit", event = "passkey_removed", passkey = id, by = kept, count, "a passkey was removed");
            keys.passkeys.remove(|_| false).await.and(ended)?;
            Ok(count > 0)
        })
        .await
    }

    /// A place for one more stream of `session`, given back when dropped; `None` when there are too many.
    pub(crate) fn stream(self: &Arc<Self>, session: &Arc<Session>) -> Option<StreamPlace> {
        let more = |count: usize| (count < SESSION_STREAMS_MAX).then_some(count + 1);
        session
            .streams
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .ok()?;
        let is_admitted = self.streams.send_if_modified(|count| {
            let is_free = *count < STREAMS_MAX;
            *count += usize::from(is_free);
            is_free
        });
        if is_admitted {
            return Some(StreamPlace {
                keys: Arc::clone(self),
                session: Arc::clone(session),
            });
        }
        leave(&session.streams);
        None
    }
}

/// See [`Keys::stream`].
pub(crate) struct StreamPlace {
    keys: Arc<Keys>,
    pub(crate) session: Arc<Session>,
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        leave(&self.session.streams);
        self.keys
            .streams
            .send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Does what must not be left half done, also when whoever asked for it goes away meanwhile.
pub(crate) async fn to_its_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

fn not_saved(panicked: tokio::task::JoinError) -> SetError {
    SetError::NotSaved {
        path: "credential".into(),
        source: std::io::Error::other(panicked),
    }
}

fn leave(count: &AtomicUsize) {
    count.fetch_sub(1, Ordering::AcqRel);
}

/// A remembered word, e.g. the port.
pub(crate) fn fact(store: &Store, name: &'static str) -> Result<Option<String>, StoreError> {
    store.read_blocking(|db| {
        db.query_row("SELECT value FROM gateway_fact WHERE name = ?1", [name], |row| {
            row.get(0)
        })
        .optional()
    })
}

fn remember_blocking(store: &Store, name: &'static str, value: &str) -> Result<(), StoreError> {
    store.write_blocking(|db| {
        db.execute(
            "INSERT OR REPLACE INTO gateway_fact (name, value) VALUES (?1, ?2)",
            [name, value],
        )
    })?;
    Ok(())
}

/// Remembers a word across restarts.
pub(crate) async fn remember(store: &Store, name: &'static str, value: String) -> Result<(), StoreError> {
    let writing = move |db: &store::rusqlite::Transaction<'_>| {
        db.execute(
            "INSERT OR REPLACE INTO gateway_fact (name, value) VALUES (?1, ?2)",
            [name, &value],
        )
    };
    store.write(writing).await?;
    Ok(())
}
