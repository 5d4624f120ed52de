//! What the edge knows: tunnels, their names, their connections. One lock, never held across a wait.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Answer, Refusal, Rules};
use crate::{
    ids,
    wire::{Down, Hello},
};

#[derive(Default)]
pub(super) struct Table(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    rules: Rules,
    tunnels: BTreeMap<String, Tunnel>,
    hosts: HashMap<String, String>,
    quick_answers: VecDeque<Answer>,
    quick_requests: u64,
    registrations: u64,
    refusals: u64,
    visits: u64,
    next_link: u64,
    /// Nobody registers before.
    closed_until: Option<Instant>,
}

struct Tunnel {
    secret: String,
    is_quick: bool,
    config: Option<(Value, i64)>,
    links: Vec<Link>,
    /// Counts requests in flight of all connections.
    in_flight: watch::Sender<usize>,
    turn: usize,
}

/// One connection of a stand-in.
#[derive(Clone)]
pub(super) struct Link {
    number: u64,
    pub(super) index: usize,
    connector: String,
    protocol: String,
    pub(super) data: SocketAddr,
    /// Ends what is in flight, and the connection.
    pub(super) cut: CancellationToken,
    is_leaving: bool,
    pub(super) in_flight: watch::Sender<usize>,
    push: mpsc::UnboundedSender<Down>,
}

/// A named tunnel as a story wants it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// Names that lead to it.
    pub hosts: Vec<String>,
    /// Rules it is given at registration when it is managed from the dashboard, e.g.
    /// `[{"hostname":"app.example.com","service":"http://127.0.0.1:8080"},{"service":"http_status:404"}]`.
    pub ingress: Option<Value>,
}

/// A named tunnel, as its owner gets hold of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Made {
    /// UUID.
    pub id: String,
    /// For `--token`, or `TUNNEL_TOKEN`.
    pub token: String,
    /// The content of a credentials file.
    pub credentials: String,
}

/// What becomes of a registration.
pub(super) enum Admission {
    /// As if nobody had listened.
    Closed,
    /// No answer.
    Silent,
    Refused {
        reason: String,
        is_final: bool,
    },
    Admitted {
        link: Link,
        pushed: mpsc::UnboundedReceiver<Down>,
        config: Option<(Value, i64)>,
    },
}

/// Where a visitor's request goes.
pub(super) enum Route {
    To {
        link: Link,
        is_quick: bool,
        flight: Flight,
    },
    NotConnected,
    TooMany,
}

/// A request in flight, counted until dropped.
pub(super) struct Flight(Vec<watch::Sender<usize>>);

impl Flight {
    fn new(counters: Vec<watch::Sender<usize>>) -> Self {
        for counter in &counters {
            counter.send_modify(|count| *count += 1);
        }
        Self(counters)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        for counter in &self.0 {
            counter.send_modify(|count| *count -= 1);
        }
    }
}

impl crate::relay::Held for Flight {}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn rules(&self) -> Rules {
        self.lock().rules.clone()
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.lock().rules);
    }

    pub(super) fn answer_quick(&self, answers: impl IntoIterator<Item = Answer>) {
        self.lock().quick_answers.extend(answers);
    }

    pub(super) fn next_quick_answer(&self) -> Answer {
        let mut inner = self.lock();
        inner.quick_requests += 1;
        inner.quick_answers.pop_front().unwrap_or(Answer::Made)
    }

    /// A tunnel with a name nobody had before; gives its id, hostname and secret.
    pub(super) fn make_quick(&self) -> (String, String, String) {
        let (id, host, secret) = (ids::uuid(), ids::quick_hostname(), ids::secret());
        let mut inner = self.lock();
        inner.tunnels.insert(id.clone(), Tunnel::new(&secret, true, None));
        inner.hosts.insert(host.clone(), id.clone());
        (id, host, secret)
    }

    pub(super) fn make(&self, wanted: &Wanted) -> Made {
        let (id, account, secret) = (ids::uuid(), ids::tag(), ids::secret());
        let config = wanted.ingress.as_ref().map(|ingress| (config_of(ingress), 1));
        let mut inner = self.lock();
        inner
            .tunnels
            .insert(id.clone(), Tunnel::new(&secret, false, config));
        for host in &wanted.hosts {
            inner.hosts.insert(host.clone(), id.clone());
        }
        let token = json!({"a": account, "t": id, "s": secret});
        let credentials =
            json!({"AccountTag": account, "TunnelSecret": secret, "TunnelID": id, "Endpoint": ""});
        Made {
            id,
            token: STANDARD.encode(token.to_string()),
            credentials: credentials.to_string(),
        }
    }

    /// Whether there was such a tunnel. Its connections are cut.
    pub(super) fn delete(&self, id: &str) -> bool {
        let gone = self.lock().tunnels.remove(id);
        for link in gone.iter().flat_map(|tunnel| &tunnel.links) {
            link.cut.cancel();
        }
        gone.is_some()
    }

    /// Gives a tunnel new rules, at once when it is connected. Gives their version.
    pub(super) fn push(&self, id: &str, ingress: &Value) -> Option<i64> {
        let mut inner = self.lock();
        let tunnel = inner.tunnels.get_mut(id)?;
        let version = tunnel.config.as_ref().map_or(0, |(_, version)| *version) + 1;
        let config = config_of(ingress);
        tunnel.config = Some((config.clone(), version));
        if let Some(link) = tunnel.links.first() {
            // A connection that just closed hears it when it registers again.
            let _ = link.push.send(Down::Config { config, version });
        }
        Some(version)
    }

    /// Cuts connections: of one tunnel or all, with one index or all. Gives how many there were.
    pub(super) fn drop_links(&self, id: Option<&str>, index: Option<usize>, closed_for: Duration) -> usize {
        let mut inner = self.lock();
        if !closed_for.is_zero() {
            inner.closed_until = Some(Instant::now() + closed_for);
        }
        let of_tunnel = |(tunnel, _): &(&String, &Tunnel)| id.is_none_or(|id| id == *tunnel);
        let cut = inner
            .tunnels
            .iter()
            .filter(of_tunnel)
            .flat_map(|(_, tunnel)| &tunnel.links)
            .filter(|link| index.is_none_or(|index| index == link.index))
            .map(|link| link.cut.cancel());
        cut.count()
    }

    pub(super) fn admit(&self, hello: &Hello) -> Admission {
        let mut inner = self.lock();
        if inner.closed_until.is_some_and(|until| Instant::now() < until) {
            return Admission::Closed;
        }
        let refused = |reason: &str, is_final| Admission::Refused {
            reason: reason.to_owned(),
            is_final,
        };
        let known = inner
            .tunnels
            .get(&hello.tunnel)
            .map(|tunnel| tunnel.secret.clone());
        let refusal = match (&inner.rules.register, known) {
            (Refusal::Silent, _) => Some(Admission::Silent),
            (Refusal::Final(reason), _) => Some(refused(reason, true)),
            (Refusal::NotFound, _) | (_, None) => Some(refused("Unauthorized: Tunnel not found", false)),
            (Refusal::Unauthorized, _) => Some(refused("Unauthorized: Invalid tunnel secret", false)),
            (Refusal::None, Some(secret)) => {
                (secret != hello.secret).then(|| refused("Unauthorized: Invalid tunnel secret", false))
            }
        };
        if let Some(refusal) = refusal {
            inner.refusals += 1;
            return refusal;
        }
        inner.registrations += 1;
        inner.next_link += 1;
        let (push, pushed) = mpsc::unbounded_channel();
        let link = Link {
            number: inner.next_link,
            index: hello.index,
            connector: hello.connector.clone(),
            protocol: hello.protocol.clone(),
            data: hello.data,
            cut: CancellationToken::new(),
            is_leaving: false,
            in_flight: watch::Sender::new(0),
            push,
        };
        let config = inner.tunnels.get_mut(&hello.tunnel).and_then(|tunnel| {
            tunnel.links.push(link.clone());
            tunnel.config.clone()
        });
        Admission::Admitted { link, pushed, config }
    }

    /// From now on no visitor comes over this connection.
    pub(super) fn leaving(&self, link: &Link) {
        let mut inner = self.lock();
        let links = inner.tunnels.values_mut().flat_map(|tunnel| &mut tunnel.links);
        for other in links.filter(|other| other.number == link.number) {
            other.is_leaving = true;
        }
    }

    pub(super) fn left(&self, link: &Link) {
        link.cut.cancel();
        for tunnel in self.lock().tunnels.values_mut() {
            tunnel.links.retain(|other| other.number != link.number);
        }
    }

    /// Connections of one tunnel take turns, whoever's they are.
    pub(super) fn route(&self, host: &str) -> Route {
        let mut inner = self.lock();
        inner.visits += 1;
        let in_flight_max = inner.rules.in_flight_max;
        let id = inner.hosts.get(host).cloned();
        let Some(tunnel) = id.and_then(|id| inner.tunnels.get_mut(&id)) else {
            return Route::NotConnected;
        };
        let able: Vec<&Link> = tunnel.links.iter().filter(|link| !link.is_leaving).collect();
        if able.is_empty() {
            return Route::NotConnected;
        }
        if tunnel.is_quick && *tunnel.in_flight.borrow() >= in_flight_max {
            return Route::TooMany;
        }
        let link = able[tunnel.turn % able.len()].clone();
        tunnel.turn = tunnel.turn.wrapping_add(1);
        let flight = Flight::new(vec![tunnel.in_flight.clone(), link.in_flight.clone()]);
        Route::To {
            link,
            is_quick: tunnel.is_quick,
            flight,
        }
    }

    pub(super) fn state(&self) -> Value {
        let inner = self.lock();
        let hosts_of = |id: &str| -> Vec<&String> {
            let mut hosts: Vec<&String> = inner
                .hosts
                .iter()
                .filter(|(_, tunnel)| *tunnel == id)
                .map(|(host, _)| host)
                .collect();
            hosts.sort();
            hosts
        };
        let link = |link: &Link| {
            json!({
                "index": link.index,
                "connector": link.connector,
                "protocol": link.protocol,
                "leaving": link.is_leaving,
                "in_flight": *link.in_flight.borrow(),
            })
        };
        let tunnels: Value = inner
            .tunnels
            .iter()
            .map(|(id, tunnel)| {
                let of_tunnel = json!({
                    "quick": tunnel.is_quick,
                    "hosts": hosts_of(id),
                    "in_flight": *tunnel.in_flight.borrow(),
                    "config_version": tunnel.config.as_ref().map(|(_, version)| version),
                    "connections": tunnel.links.iter().map(link).collect::<Vec<_>>(),
                });
                (id.clone(), of_tunnel)
            })
            .collect::<serde_json::Map<_, _>>()
            .into();
        json!({
            "rules": inner.rules,
            "quick_requests": inner.quick_requests,
            "registrations": inner.registrations,
            "refusals": inner.refusals,
            "visits": inner.visits,
            "tunnels": tunnels,
        })
    }
}

impl Tunnel {
    fn new(secret: &str, is_quick: bool, config: Option<(Value, i64)>) -> Self {
        Self {
            secret: secret.to_owned(),
            is_quick,
            config,
            links: Vec::new(),
            in_flight: watch::Sender::new(0),
            turn: 0,
        }
    }
}

fn config_of(ingress: &Value) -> Value {
    json!({"ingress": ingress, "warp-routing": {"enabled": false}})
}
