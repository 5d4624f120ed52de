//! A gateway on a free port, an upstream that records, a module that can be watched, and a client that sends exactly
//! what it is told.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use futures_util::StreamExt;
use gateway::{Clock, Door, Gateway, Parts, Purpose};
use kit::{
    ActError, AgentFacts, BoxFuture, CancellationToken, Context, Dirs, Feed, Frame, LiveRequest, Module,
    ModuleId, NoticeSender, Origin, Outside, Overview, Patch, Reply, Secret, Secrets, SecretsError,
    SettingsFile, Status, Told, Upstream, Verb, VerbSpec,
};
use store::Store;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{broadcast, mpsc, watch},
    task::JoinHandle,
};

/// The owner's password in every story that needs one.
pub const PASSWORD: &str = "a walrus plays the banjo";

/// What opencode's credential looks like; must never be seen by a client.
pub const CREDENTIAL: &str = "Basic Y2FuYXJ5LWNyZWRlbnRpYWw=";

/// How long any wait of a story may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What reached the upstream.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: String,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

#[derive(Default)]
pub struct Record {
    requests: Mutex<Vec<Recorded>>,
    answer: Mutex<Option<fn() -> Response>>,
}

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
        let cx = Context {
            dirs: Arc::new(Dirs::under(folder.path())),
            settings: Arc::new(SettingsFile::open(
                &folder.path().join("settings.toml"),
                SystemTime::now(),
            )),
            secrets: Arc::new(NoSecrets),
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

    /// Ends the gateway and opens another one over the same files.
    pub async fn restart(self) -> Self {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        Self::over(self.folder, self.store).await
    }

    /// The same, while somebody else takes its port.
    pub async fn restart_elsewhere(self) -> (Self, tokio::net::TcpListener) {
        self.stop.cancel();
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

    pub async fn close(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    pub fn turn_clock(&self, by: Duration) {
        *self.time.lock().unwrap() += by;
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
            port: 0,
            hosts: vec![host.to_owned()],
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

pub async fn raw(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // The other side may close before it has taken everything: what it said counts.
    stream.write_all(bytes).await.ok();
    let mut answer = Vec::new();
    let reading = async {
        let mut piece = [0; 8192];
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            answer.extend_from_slice(&piece[..count]);
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("the connection is closed in time");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request being put together.
#[derive(Clone)]
pub struct Ask {
    port: u16,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Ask {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a cookie, as a page of ours would send it.
    pub fn page_of(self, cookie: &str) -> Self {
        let mode = if self.method == "GET" {
            "cors"
        } else {
            "same-origin"
        };
        self.with("Cookie", cookie)
            .with("Sec-Fetch-Site", "same-origin")
            .with("Sec-Fetch-Mode", mode)
    }

    pub fn json(self, body: &str) -> Self {
        self.with("Content-Type", "application/json").body(body)
    }

    pub fn body(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !self.body.is_empty() {
            text += &format!("Content-Length: {}\r\n", self.body.len());
        }
        text += "\r\n";
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    pub async fn send(&self) -> Answer {
        Answer::parse(&raw(self.port, &self.bytes()).await)
    }

    pub async fn status(&self) -> u16 {
        self.send().await.status
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap_or("0")
            .parse()
            .unwrap_or(0);
        let header = |line: &str| {
            line.split_once(": ")
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        };
        Self {
            status,
            headers: lines.filter_map(header).collect(),
            body: body.to_owned(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// `name=value` of the one cookie that was set.
    pub fn cookie(&self) -> String {
        let cookies: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie")
            .collect();
        assert_eq!(cookies.len(), 1, "{self:?}");
        cookies[0].1.split(';').next().unwrap().to_owned()
    }
}

async fn serve_upstream(record: Arc<Record>) -> SocketAddr {
    async fn answer(State(record): State<Arc<Record>>, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX)
            .await
            .map(|bytes| bytes.to_vec())
            .unwrap_or_default();
        record.requests.lock().unwrap().push(Recorded {
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            headers: parts.headers,
            body,
        });
        let scripted = *record.answer.lock().unwrap();
        match scripted {
            Some(answer) => answer(),
            None => (
                StatusCode::OK,
                [("content-type", "application/json")],
                "{\"from\":\"upstream\"}",
            )
                .into_response(),
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer).with_state(record);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Plays the chat: a page, something that changes things, a live view.
struct Chat {
    changes: watch::Receiver<String>,
    calls: Arc<Mutex<Vec<Verb>>>,
}

impl Module for Chat {
    fn id(&self) -> ModuleId {
        ModuleId("chat")
    }

    fn title(&self) -> &'static str {
        "Chat"
    }

    fn status(&self) -> watch::Receiver<Status> {
        watch::channel(Status::new(kit::State::Running, SystemTime::now())).1
    }

    fn verbs(&self) -> &'static [VerbSpec] {
        &[
            VerbSpec {
                name: "open",
                help: "Opens something.",
                args: &[],
                button: None,
            },
            VerbSpec {
                name: "greet",
                help: "Says hello.",
                args: &["name"],
                button: Some("Greet"),
            },
        ]
    }

    fn needs_proof(&self, verb: &str) -> bool {
        verb == "open"
    }

    fn call(&self, verb: Verb) -> BoxFuture<'_, Result<Reply, ActError>> {
        self.calls.lock().unwrap().push(verb);
        Box::pin(async { Ok(Reply::Text("hello".to_owned())) })
    }

    fn routes(self: Arc<Self>) -> Router {
        async fn page(axum::Extension(chrome): axum::Extension<Arc<kit::Chrome>>) -> Html<String> {
            let body = web::Body {
                title: "Chat".to_owned(),
                live: None,
                class: "chat",
                content: web::html! { h1 { "Chat" } p { (chrome.caller.listener.as_str()) } },
            };
            Html(web::page(&chrome, body).into_string())
        }
        Router::new()
            .route("/", get(page))
            .route("/{session}", get(page))
            .route("/act", post(async || "done"))
            .route(
                "/broken",
                get(async || -> &'static str { panic!("a page broke") }),
            )
    }

    fn live(&self, request: LiveRequest) -> Option<Box<dyn Feed>> {
        let mut changes = self.changes.clone();
        changes.mark_unchanged();
        (request.key != "missing").then(|| Box::new(Changes(changes)) as Box<dyn Feed>)
    }

    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            stop.cancelled().await;
            Ok(())
        })
    }
}

struct Changes(watch::Receiver<String>);

impl Feed for Changes {
    fn next(&mut self) -> BoxFuture<'_, Option<Frame>> {
        Box::pin(async move {
            self.0.changed().await.ok()?;
            let text = self.0.borrow_and_update().clone();
            Some(Frame {
                cursor: Some(text.clone()),
                patches: vec![Patch::AppendText {
                    id: "text".to_owned(),
                    text,
                }],
            })
        })
    }
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn get<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<Option<Secret>, SecretsError>> {
        Box::pin(async { Ok(None) })
    }

    fn set<'a>(&'a self, _name: &'a str, _secret: Secret) -> BoxFuture<'a, Result<(), SecretsError>> {
        Box::pin(async { Ok(()) })
    }

    fn delete<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<(), SecretsError>> {
        Box::pin(async { Ok(()) })
    }

    fn names(&self) -> BoxFuture<'_, Result<Vec<String>, SecretsError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// An answer of the upstream with this status, kind and body.
pub fn upstream_says(status: StatusCode, kind: &'static str, body: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", kind.parse().unwrap());
    response
}
