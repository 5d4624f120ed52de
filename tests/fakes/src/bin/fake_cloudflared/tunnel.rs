//! `tunnel` and `tunnel run`, from the first line to the exit code.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::body::Body;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    faults,
    identity::{self, Right},
    ingress::Ingress,
    life::{Birth, Known, LINKS, Life, Protocol, Retries},
    link,
    log::{Level, Log, bare},
    metrics, opening, origin, quick,
    script::Script,
    settings::Settings,
    signals,
};

const PRECHECKS_AFTER: Duration = Duration::from_secs(3);
const NOTHING_TO_DO: &str = "You did not specify any valid additional argument to the cloudflared tunnel command.\n\n\
    If you are trying to run a Quick Tunnel then you need to explicitly pass the --url flag.\n\
    Eg. cloudflared tunnel --url localhost:8080/.";
const NO_EDGE: &str = "Could not lookup srv records on _v2-origintunneld._tcp.argotunnel.com: lookup \
    _v2-origintunneld._tcp.argotunnel.com: Temporary failure in name resolution";

/// What is to be run.
pub(crate) enum Kind {
    Quick,
    /// With the names that stand behind `run`.
    Named(Vec<String>),
}

/// Why it ends, with the exit code; the words are the last lines.
struct Failure {
    words: Vec<String>,
    code: u8,
}

impl From<String> for Failure {
    fn from(words: String) -> Self {
        Self {
            words: vec![words],
            code: 1,
        }
    }
}

impl From<identity::Unknown> for Failure {
    fn from(unknown: identity::Unknown) -> Self {
        Self {
            words: unknown.words,
            code: unknown.code,
        }
    }
}

/// Runs until a signal, a failure or the script ends it. Gives the exit code.
pub(crate) async fn run(settings: Settings, kind: Kind, script: Script) -> u8 {
    let log = Arc::new(settings.log());
    let stop = CancellationToken::new();
    let (ends, mut end) = mpsc::channel(1);
    if let Err(error) = signals::listen(Arc::clone(&log), script.ignores_term, stop.clone(), ends.clone()) {
        bare(&error.to_string());
        return 1;
    }
    let born = tokio::select! {
        born = begin(&settings, kind, script, &log, &stop, ends) => born,
        () = stop.cancelled() => return 0,
        Some(code) = end.recv() => return code,
    };
    let life = match born {
        Ok(life) => life,
        Err(Failure { words, code }) => {
            words.iter().for_each(|line| bare(line));
            return code;
        }
    };
    let grace = settings.grace().unwrap_or_default();
    let mut links = JoinSet::new();
    for index in 0..if life.is_quick() { 1 } else { LINKS } {
        links.spawn(link::keep(Arc::clone(&life), index));
    }
    tokio::select! {
        code = end.recv() => return code.unwrap_or(1),
        () = life.stop.cancelled() => {}
    }
    tokio::select! {
        () = shut_down(&life, links, grace) => 0,
        code = end.recv() => code.unwrap_or(1),
    }
}

async fn begin(
    settings: &Settings,
    kind: Kind,
    script: Script,
    log: &Arc<Log>,
    stop: &CancellationToken,
    ends: mpsc::Sender<u8>,
) -> Result<Arc<Life>, Failure> {
    if let (true, Some(path)) = (settings.config.is_empty, &settings.config.path) {
        log.error(&format!("Configuration file {} was empty", path.display()));
    }
    settings.grace()?;
    let muted = CancellationToken::new();
    let (data_listener, data) = listen().await?;
    let known = match kind {
        Kind::Quick => quick_tunnel(settings, &script, log).await?,
        Kind::Named(names) => named_tunnel(settings, &names, log)?,
    };
    let number = |name: &str, default| {
        settings
            .get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let birth = Birth {
        known,
        log: Arc::clone(log),
        retries: Retries {
            exponent_max: number("retries", 5),
            addresses: number("max-edge-addr-retries", 8),
        },
        edge: edge(settings, &script),
        data,
        pidfile: settings.get("pidfile").map(Into::into),
        stop: stop.clone(),
        ends,
        script,
    };
    let life = Arc::new(Life::new(birth));
    opening::say(&life, settings);
    if life.script.is_dns_dead && !life.is_quick() {
        return Err(NO_EDGE.to_owned().into());
    }
    let metrics = metrics::bind(settings.get("metrics").as_deref()).await?;
    let address = metrics.local_addr().map_err(|error| error.to_string())?;
    log.info(&format!("Starting metrics server on {address}/metrics"));
    tokio::spawn(metrics::serve(metrics, Arc::clone(&life), muted.clone()));
    tokio::spawn(deliver(data_listener, Arc::clone(&life)));
    faults::start(&life, &muted);
    if life.script.age == crate::flags::Age::Today && !settings.is_on("no-prechecks") {
        let life = Arc::clone(&life);
        tokio::spawn(async move {
            tokio::time::sleep(life.script.scaled(PRECHECKS_AFTER)).await;
            opening::prechecks(&life.log);
        });
    }
    Ok(life)
}

async fn quick_tunnel(settings: &Settings, script: &Script, log: &Log) -> Result<Known, Failure> {
    let url = settings.get("url");
    if url.is_none() && !settings.is_on("hello-world") {
        return Err(NOTHING_TO_DO.to_owned().into());
    }
    let service = settings
        .get("quick-service")
        .or_else(|| script.quick_service.clone());
    let tunnel = quick::obtain(service.as_deref(), script, log).await?;
    let ingress = match (settings.ingress(), url) {
        // The rules of a file win over the flag, without a word.
        (Some(rules), _) => rules_of(rules, log)?,
        (None, Some(url)) => Ingress::single(&url, settings.get("http-host-header").as_deref())?,
        (None, None) => Ingress::parse(&[json!({"service": "hello_world"})], -1)?,
    };
    let protocol = protocol(
        settings,
        Protocol {
            first: "quic",
            may_fall_back: false,
        },
    );
    Ok(Known {
        tunnel: tunnel.id,
        secret: tunnel.secret,
        hostname: tunnel.hostname,
        protocol,
        ingress,
    })
}

fn named_tunnel(settings: &Settings, names: &[String], log: &Log) -> Result<Known, Failure> {
    let identity = identity::find(settings, names)?;
    log.line(
        Level::Info,
        "Starting tunnel",
        &json!({"tunnelID": identity.tunnel}),
    );
    let ingress = match (settings.ingress(), settings.get("url")) {
        (Some(rules), _) => rules_of(rules, log)?,
        (None, Some(url)) => Ingress::single(&url, settings.get("http-host-header").as_deref())?,
        (None, None) => {
            if identity.right != Right::Token {
                let words = "No ingress rules were defined in provided config (if any) nor from the cli, cloudflared will \
                             return 503 for all incoming HTTP requests";
                log.line(Level::Warn, words, &json!({}));
            }
            Ingress::none()
        }
    };
    let protocol = protocol(
        settings,
        Protocol {
            first: "quic",
            may_fall_back: true,
        },
    );
    Ok(Known {
        tunnel: identity.tunnel,
        secret: identity.secret,
        hostname: String::new(),
        protocol,
        ingress,
    })
}

fn rules_of(rules: &[serde_json::Value], log: &Log) -> Result<Ingress, Failure> {
    Ingress::parse(rules, -1).map_err(|error| {
        log.line(Level::Error, "Couldn't start tunnel", &json!({"error": error}));
        error.into()
    })
}

fn protocol(settings: &Settings, default: Protocol) -> Protocol {
    match settings.get("protocol").as_deref() {
        Some("http2") => Protocol {
            first: "http2",
            may_fall_back: false,
        },
        Some("quic") => Protocol {
            first: "quic",
            may_fall_back: false,
        },
        Some("auto") => Protocol {
            first: "quic",
            may_fall_back: true,
        },
        _ => default,
    }
}

/// The first address of `--edge`, or the script's.
fn edge(settings: &Settings, script: &Script) -> Option<SocketAddr> {
    let named = settings.get("edge").or_else(|| script.edge.clone())?;
    named.split(',').next()?.to_socket_addrs().ok()?.next()
}

async fn listen() -> Result<(TcpListener, SocketAddr), String> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    Ok((listener, address))
}

/// Takes what the edge delivers, for the rest of the process.
async fn deliver(listener: TcpListener, life: Arc<Life>) {
    while let Ok((socket, _)) = listener.accept().await {
        // Small pieces of a stream go out at once.
        let _ = socket.set_nodelay(true);
        let life = Arc::clone(&life);
        tokio::spawn(async move {
            let service =
                hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let answered = origin::answer(Arc::clone(&life), request.map(Body::new));
                    async move { Ok::<_, std::convert::Infallible>(answered.await) }
                });
            // A visitor who leaves is no failure.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .with_upgrades()
                .await;
        });
    }
}

/// Waits for what is in flight as long as `grace` allows, and says goodbye.
async fn shut_down(life: &Life, mut links: JoinSet<()>, grace: Duration) {
    if life.was_ever_connected.load(Ordering::Relaxed) {
        // Whoever is not done by then is cut.
        let _ = tokio::time::timeout(grace, async { while links.join_next().await.is_some() {} }).await;
        let fields = json!({"connIndex": 0, "event": 0, "ip": life.edge_ip()});
        life.log
            .line(Level::Info, "Retrying connection in up to 1s", &fields);
        life.log
            .line(Level::Error, "Connection terminated", &json!({"connIndex": 0}));
        life.log.error("no more connections active and exiting");
    }
    life.log.info("Tunnel server stopped");
    life.log.info("Metrics server stopped");
}
