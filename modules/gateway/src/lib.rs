//! The guarded door: everything that is asked of this program over HTTP comes through here.
//!
//! A connection is first read by a scanner that refuses requests two programs could understand differently ([`scan`]).
//! Then the guard asks, in this order: is the host one of ours, is the path written in the one way, is there a session,
//! does the request come from a page of ours. Only what passes reaches a module's routes, or the list of what may pass
//! to opencode ([`proxy`]). Being on this machine is no credential: the tunnel's requests come from here too.
//!
//! Who enters is decided by a password kept as an Argon2id hash in a file of its own ([`credential`]), by single-use
//! tickets for the person at the machine, and by sessions of which only a fingerprint is stored. How often a password
//! may be wrong survives restarts ([`throttle`]).
//!
//! This crate never listens beyond 127.0.0.1, never lets a request choose where it is forwarded to, and never hands
//! opencode's credential to anyone.

mod access;
mod allowance;
mod answer;
mod api;
mod assets;
pub mod audit;
mod begin;
mod clock;
mod cookie;
pub mod credential;
mod device;
mod devices;
mod door;
mod ending;
mod enter;
mod form;
mod front;
mod hashing;
mod headers;
mod host;
mod keys;
mod listener;
mod live;
mod login;
mod origin;
mod outside;
mod pair;
mod passkey;
mod password;
pub mod path;
pub mod proxy;
mod remote;
mod router;
mod run;
pub mod scan;
mod second;
mod session;
mod settings;
pub mod throttle;
mod ticket;
mod token;
mod wire;

use std::{net::SocketAddr, sync::Arc};

use kit::{
    BoxFuture, CancellationToken, Context, EventTap, Module, ModuleId, Origin, Outside, Page, Status,
    Upstream,
};
use store::Store;
use tokio::sync::watch;

pub use access::{AccessSettings, FetchKeys};
pub use clock::Clock;
pub use cookie::CookieName;
pub use door::{Door, NotReachable, Pairing, PasskeyView, SessionView};
pub use headers::{FOREIGN_POLICY, PAGE_POLICY};
pub use live::HeaderSource;
pub use second::{Offer, SecondFactorError, Standing, look_at_second_factor};
pub use session::Kind as SessionKind;
pub use settings::GatewaySettings;
pub use ticket::{Purpose, Ticket};

use access::Access;
use api::Api;
use front::Front;
use keys::Keys;
use live::Live;
use outside::Tunnelled;
use proxy::Proxy;
use run::Run;

/// What the gateway leads to.
pub struct Parts {
    /// Their routes, pages, verbs and live views are served.
    pub modules: Vec<Arc<dyn Module>>,
    /// Where opencode answers, while it is healthy.
    pub upstream: watch::Receiver<Option<Upstream>>,
    /// Opencode's events, for scripts.
    pub event_tap: EventTap,
    /// The feed of the header of every page.
    pub header: HeaderSource,
    /// What is wanted of the port that only cloudflared is given.
    pub outside: watch::Receiver<Outside>,
    /// Told where that port stands.
    pub origin: watch::Sender<Origin>,
    /// Gets the keys of Cloudflare Access.
    pub fetch_keys: FetchKeys,
    /// Whether the other end of a connection, from the first address to the second, may speak at all.
    pub admits: Admits,
}

/// Tells by its two addresses, theirs and ours, whether a connection is of the owner's. Asked once a connection.
pub type Admits = Arc<dyn Fn(SocketAddr, SocketAddr) -> bool + Send + Sync>;

/// The module.
pub struct Gateway {
    keys: Arc<Keys>,
    run: Run,
    tunnelled: Tunnelled,
    status: watch::Receiver<Status>,
}

impl Gateway {
    /// Wires the gateway. Reads its tables from `store`; opens no port.
    ///
    /// # Errors
    /// When the database fails or the modules' names clash.
    pub fn new(cx: &Context, store: Store, parts: Parts) -> anyhow::Result<Arc<Self>> {
        Self::with_clock(cx, store, parts, Clock::system())
    }

    /// [`new`](Self::new) with a clock of the test's own.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_clock(cx: &Context, store: Store, parts: Parts, clock: Clock) -> anyhow::Result<Arc<Self>> {
        let keys = Arc::new(Keys::open(
            store,
            &cx.dirs,
            Arc::clone(&cx.secrets),
            cx.notices.clone(),
            Arc::new(clock),
            Arc::clone(&cx.settings),
        )?);
        let modules: Arc<[Arc<dyn Module>]> = parts.modules.into();
        let api = Api {
            modules: Arc::clone(&modules),
            overview: cx.overview.clone(),
        };
        let live = Live {
            keys: Arc::clone(&keys),
            modules: Arc::clone(&modules),
            header: parts.header,
            tasks: tokio_util::task::TaskTracker::new(),
        };
        let sockets = live.tasks.clone();
        let pages: Vec<Page> = modules
            .iter()
            .flat_map(|module| module.pages())
            .chain([devices::PAGE])
            .collect();
        let front = Arc::new(Front {
            router: router::build(&keys, &modules, api, live)?,
            proxy: Proxy::new(parts.upstream, parts.event_tap),
            access: Access::new(cx.settings.section::<AccessSettings>(), parts.fetch_keys),
            pages: pages.into(),
            overview: cx.overview.clone(),
            keys: Arc::clone(&keys),
        });
        let settings = cx.settings.section::<GatewaySettings>();
        let (run, status) = Run::new(
            Arc::clone(&keys),
            Arc::clone(&front),
            settings,
            sockets,
            Arc::clone(&parts.admits),
        );
        let tunnelled = Tunnelled {
            keys: Arc::clone(&keys),
            front,
            admits: parts.admits,
            wanted: parts.outside,
            origin: parts.origin,
            local: status.clone(),
        };
        Ok(Arc::new(Self {
            keys,
            run,
            tunnelled,
            status,
        }))
    }

    /// What the rest of the agent may ask of the gateway.
    pub fn door(&self) -> Door {
        Door(Arc::clone(&self.keys))
    }
}

impl Module for Gateway {
    fn id(&self) -> ModuleId {
        ModuleId("gateway")
    }

    fn title(&self) -> &'static str {
        "Gateway"
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            // A gateway that fails takes the way in from outside with it.
            let ending = stop.child_token();
            let outside = self.tunnelled.run(ending.clone());
            let inside = async {
                let ended = self.run.run(stop).await;
                ending.cancel();
                ended
            };
            let (ended, ()) = tokio::join!(inside, outside);
            ended
        })
    }
}
