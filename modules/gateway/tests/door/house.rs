//! A gateway on a free port, an upstream that records, a module that can be watched, and a client that sends exactly
//! what it is told.

mod asking;
mod chat;
mod keyring;
pub mod socket;
pub mod team;
mod upstream;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use axum::response::Response;
use futures_util::StreamExt;
use gateway::{Clock, Door, Gateway, Parts, Purpose};
use kit::{
    AgentFacts, CancellationToken, Context, Dirs, Module, NoticeSender, Origin, Outside, Overview, Secret,
    SettingsFile, Status, Told, Upstream, Verb,
};
use store::Store;
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinHandle,
};

pub use asking::{Answer, Ask, raw};
use chat::Chat;
pub use keyring::Keyring;
use team::Team;
use upstream::{Record, serve_upstream};
pub use upstream::{Recorded, upstream_says};

/// The owner's password in every story that needs one.
pub const PASSWORD: &str = "a walrus plays the banjo";

/// What opencode's credential looks like; must never be seen by a client.
pub const CREDENTIAL: &str = "Basic Y2FuYXJ5LWNyZWRlbnRpYWw=";

/// How long any wait of a story may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct House {
    pub folder: tempfile::TempDir,
    pub door: Door,
    pub store: Store,
    pub port: u16,
    pub events: broadcast::Sender<String>,
    pub changes: watch::Sender<String>,
    pub notices: mpsc::Receiver<Told>,
    pub status: watch::Receiver<Status>,
    pub settings: Arc<SettingsFile>,
    pub keyring: Arc<Keyring>,
    /// The team of Cloudflare Access.
    pub team: Team,
    /// Every connection counts as somebody else's.
    pub is_shut: Arc<std::sync::atomic::AtomicBool>,
    /// What is wanted of the port for the tunnel.
    pub outside: watch::Sender<Outside>,
    pub tunnel_origin: watch::Receiver<Origin>,
    time: Arc<Mutex<Duration>>,
    record: Arc<Record>,
    upstream: watch::Sender<Option<Upstream>>,
    calls: Arc<Mutex<Vec<Verb>>>,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl House {
    /// A house with a password set.
    pub async fn open() -> Self {
        let house = Self::without_password().await;
        gateway::credential::Credential::at(house.folder.path())
            .set(PASSWORD)
            .unwrap();
        house
    }

    pub async fn without_password() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::over(folder, Store::in_memory().unwrap()).await
    }

    async fn over(folder: tempfile::TempDir, store: Store) -> Self {
        let record = Arc::new(Record::default());
        let address = serve_upstream(Arc::clone(&record)).await;
        let (upstream, upstream_watched) = watch::channel(Some(Upstream {
            address,
            authorization: Secret::new(CREDENTIAL.to_owned()),
        }));
        let (notice_sender, notices) = NoticeSender::channel();
        let overview = Overview {
            agent: AgentFacts {
                version: "0.1.0",
                pid: 1,
                started_at: SystemTime::now(),
                is_headless: true,
                home: "/home/canary-user".to_owned(),
            },
            modules: Vec::new(),
        };
        let team = Team::default();
        let keyring = Arc::new(Keyring::default());
        let cx = Context {
            dirs: Arc::new(Dirs::under(folder.path())),
            settings: Arc::new(SettingsFile::open(
                &folder.path().join("settings.toml"),
                SystemTime::now(),
            )),
            secrets: keyring.clone(),
            notices: notice_sender,
            overview: watch::channel(Arc::new(overview)).1,
        };
        let settings = Arc::clone(&cx.settings);
        let time = Arc::new(Mutex::new(Duration::ZERO));
        let later = Arc::clone(&time);
        let clock = Clock::over(Arc::new(move || SystemTime::now() + *later.lock().unwrap()));
        let (changes, watched) = watch::channel(String::new());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let events = broadcast::Sender::new(64);
        let tapped = events.clone();
        let is_shut = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let shut = Arc::clone(&is_shut);
        let (outside, outside_wanted) = watch::channel(Outside::default());
        let (origin_said, origin) = watch::channel(Origin::default());
        let parts = Parts {
            outside: outside_wanted,
            origin: origin_said,
            admits: Arc::new(move |_, _| !shut.load(std::sync::atomic::Ordering::Relaxed)),
            modules: vec![Arc::new(Chat {
                changes: watched,
                calls: Arc::clone(&calls),
            })],
            upstream: upstream_watched,
            event_tap: Arc::new(move || {
                let listening = tapped.subscribe();
                futures_util::stream::unfold(listening, |mut listening| async move {
                    let event: String = listening.recv().await.ok()?;
                    Some((bytes::Bytes::from(format!("data: {event}\n\n")), listening))
                })
                .boxed()
            }),
            header: Arc::new(|_| Box::new(web::live::Quiet)),
            fetch_keys: team.fetch(),
        };
        let gateway = Gateway::with_clock(&cx, store.clone(), parts, clock).unwrap();
        let door = gateway.door();
        let status = gateway.status();
        let stop = CancellationToken::new();
        let running = tokio::spawn(Arc::clone(&gateway).run(stop.clone()));
        let mut url = door.local_url();
        let url = url.wait_for(Option::is_some).await.unwrap().clone().unwrap();
        Self {
            folder,
            door,
            store,
            port: url.rsplit(':').next().unwrap().parse().unwrap(),
            events,
            changes,
            notices,
            status,
            settings,
            keyring,
            team,
            is_shut,
            outside,
            tunnel_origin: origin,
            time,
            record,
            upstream,
            calls,
            stop,
            running,
        }
    }

    /// Tells the gateway to end, as when the program is quit.
    pub fn ends(&self) {
        self.stop.cancel();
    }

    /// The same, and nothing leads to it from outside any more.
    fn ends_alone(&self) {
        self.ends();
        self.outside.send_replace(Outside::default());
    }

    /// Ends the gateway and opens another one over the same files.
    pub async fn restart(self) -> Self {
        self.ends_alone();
        tokio::time::timeout(PATIENCE, self.running)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        Self::over(self.folder, self.store).await
    }

    /// The same, while somebody else takes its port.
    pub async fn restart_elsewhere(self) -> (Self, tokio::net::TcpListener) {
        self.ends_alone();
        tokio::time::timeout(PATIENCE, self.running)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let squatter = tokio::net::TcpListener::bind(("127.0.0.1", self.port))
            .await
            .unwrap();
        (Self::over(self.folder, self.store).await, squatter)
    }

    /// The same with another database.
    pub async fn over_store(mut self, store: Store) -> Self {
        self.store = store;
        self.restart().await
    }

    /// Ends the gateway in the middle of whatever it does, as a panic would.
    pub async fn fall_over(self) {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
    }

    pub async fn close(self) {
        self.ends_alone();
        tokio::time::timeout(PATIENCE, self.running)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    pub fn turn_clock(&self, by: Duration) {
        *self.time.lock().unwrap() += by;
    }

    pub fn turn_clock_back(&self, by: Duration) {
        *self.time.lock().unwrap() -= by;
    }

    /// What reached the upstream since the last call.
    pub fn recorded(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.record.requests.lock().unwrap())
    }

    pub fn upstream_answers(&self, answer: fn() -> Response) {
        *self.record.answer.lock().unwrap() = Some(answer);
    }

    pub fn upstream_is_gone(&self) {
        self.upstream.send_replace(None);
    }

    pub fn upstream_is_at(&self, address: SocketAddr) {
        self.upstream.send_replace(Some(Upstream {
            address,
            authorization: Secret::new(CREDENTIAL.to_owned()),
        }));
    }

    pub fn calls(&self) -> Vec<Verb> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A request with the right host and nothing else.
    pub fn ask(&self, method: &str, path: &str) -> Ask {
        Ask {
            port: self.port,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: vec![("Host".to_owned(), format!("127.0.0.1:{}", self.port))],
            body: Vec::new(),
        }
    }

    /// A form posted from a page of ours.
    pub fn form(&self, path: &str, body: &str) -> Ask {
        self.ask("POST", path)
            .with("Sec-Fetch-Site", "same-origin")
            .with("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    }

    pub async fn log_in_with(&self, password: &str) -> Answer {
        let password: String = url::form_urlencoded::byte_serialize(password.as_bytes()).collect();
        self.form("/login", &format!("password={password}&next=/chat"))
            .send()
            .await
    }

    /// Logs in and gives the cookie, e.g. `"nexus-1234=…"`.
    pub async fn log_in(&self) -> String {
        let answer = self.log_in_with(PASSWORD).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.cookie()
    }

    /// Enters with a ticket and gives the cookie.
    pub async fn enter(&self, purpose: Purpose) -> String {
        let ticket = self.door.ticket(purpose, "/chat");
        let asked = self
            .ask("GET", "/enter")
            .with("Authorization", &format!("Ticket {}", ticket.secret.expose()));
        let answer = asked.send().await;
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.cookie()
    }

    /// Has the port for the tunnel opened, for `host`.
    pub async fn open_outside(&self, host: &str) -> Outdoors {
        self.outside.send_replace(Outside {
            is_wanted: true,
            is_held: false,
            port: 0,
            hosts: vec![host.to_owned()],
            is_lasting: !host.ends_with(".trycloudflare.com"),
        });
        let mut origin = self.tunnel_origin.clone();
        let is_open = origin.wait_for(|origin| matches!(origin, Origin::Open(_)));
        let origin = tokio::time::timeout(PATIENCE, is_open)
            .await
            .unwrap()
            .unwrap()
            .clone();
        let Origin::Open(port) = origin else {
            panic!("{origin:?}");
        };
        Outdoors {
            port,
            host: host.to_owned(),
        }
    }

    /// Sends bytes as they are and gives everything that comes back until the connection is closed.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        raw(self.port, bytes).await
    }
}

/// What cloudflared and a visitor behind it see.
#[derive(Debug, Clone)]
pub struct Outdoors {
    pub port: u16,
    pub host: String,
}

impl Outdoors {
    /// A request as Cloudflare passes it on.
    pub fn ask(&self, method: &str, path: &str) -> Ask {
        Ask {
            port: self.port,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: vec![
                ("Host".to_owned(), self.host.clone()),
                ("Cf-Connecting-Ip".to_owned(), "198.51.100.7".to_owned()),
                (
                    "X-Forwarded-For".to_owned(),
                    "203.0.113.9, 198.51.100.7".to_owned(),
                ),
                ("X-Forwarded-Proto".to_owned(), "https".to_owned()),
            ],
            body: Vec::new(),
        }
    }

    /// A login from `address`.
    pub async fn log_in_from(&self, address: &str, password: &str) -> Answer {
        let password: String = url::form_urlencoded::byte_serialize(password.as_bytes()).collect();
        self.ask("POST", "/login")
            .with("Sec-Fetch-Site", "same-origin")
            .with("Content-Type", "application/x-www-form-urlencoded")
            .with("Cf-Connecting-Ip", address)
            .body(&format!("password={password}&next=/chat"))
            .send()
            .await
    }

    /// Logs in and gives the cookie.
    pub async fn log_in(&self) -> String {
        let answer = self.log_in_from("198.51.100.7", PASSWORD).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.cookie()
    }
}
