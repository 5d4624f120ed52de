//! The public side of tunnels, on loopback: what stands between a visitor and the stand-in for cloudflared.
//!
//! *Theory of operation.* Stand-ins register over [`wire`](crate::wire) sockets and are kept in one table behind one
//! lock ([`table`]). A visitor's request finds a connection by its `Host`, gets the headers the real edge adds
//! ([`headers`]), and is relayed ([`visit`]). [`quick`] answers whoever asks for a quick tunnel. Everything a story may
//! want to go wrong is said through [`control`], and stands in [`Rules`] or in a queue of answers.
//!
//! The port for http and the port for https serve the same; the latter under any name, vouched for by
//! [`Authority`]. Browsers reach it with `--host-resolver-rules="MAP * 127.0.0.1:PORT"`, `reqwest` with `resolve`.

mod control;
mod headers;
mod quick;
mod register;
mod rules;
mod table;
mod visit;

use std::{net::SocketAddr, sync::Arc};

use serde_json::{Value, json};

pub use quick::Answer;
pub use rules::{HoldBack, Refusal, Rules};
pub use table::{Made, Wanted};

use crate::{
    serve::{self, AbortOnDrop},
    tls::Authority,
};
use table::Table;

/// A running edge. Dropping it ends it at once: visitors are cut, stand-ins lose their connections.
pub struct Edge {
    table: Arc<Table>,
    authority: Arc<Authority>,
    http: SocketAddr,
    https: SocketAddr,
    tunnel: SocketAddr,
    control: SocketAddr,
    _tasks: Vec<AbortOnDrop>,
}

impl Edge {
    /// Starts an edge on free loopback ports.
    ///
    /// # Errors
    /// When there is no port left, or no randomness for keys.
    pub async fn start() -> anyhow::Result<Self> {
        let authority = Authority::new()?;
        let table = Arc::new(Table::default());
        let (http_listener, http) = serve::listen(0).await?;
        let (https_listener, https) = serve::listen(0).await?;
        let (tunnel_listener, tunnel) = serve::listen(0).await?;
        let (control_listener, control) = serve::listen(0).await?;
        let public = |scheme: visit::Scheme| {
            let table = Arc::clone(&table);
            move |request, peer| visit::visit(Arc::clone(&table), scheme, peer, request)
        };
        let tasks = vec![
            serve::answer_all(http_listener, None, public(visit::Scheme::Http)),
            serve::answer_all(
                https_listener,
                Some(authority.acceptor()?),
                public(visit::Scheme::Https),
            ),
            register::listen(tunnel_listener, Arc::clone(&table)),
            serve::routes(control_listener, control::routes(Arc::clone(&table))),
        ];
        Ok(Self {
            table,
            authority,
            http,
            https,
            tunnel,
            control,
            _tasks: tasks,
        })
    }

    /// The addresses, as the program prints them:
    /// `{"http":"127.0.0.1:1","https":"127.0.0.1:2","tunnel":"127.0.0.1:3","control":"http://127.0.0.1:4"}`.
    pub fn addresses(&self) -> Value {
        json!({
            "http": self.http.to_string(),
            "https": self.https.to_string(),
            "tunnel": self.tunnel.to_string(),
            "control": self.control_url(),
        })
    }

    /// Where visitors come in without TLS.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where visitors come in with TLS.
    pub fn https(&self) -> SocketAddr {
        self.https
    }

    /// What a stand-in is given as `--edge`.
    pub fn tunnel(&self) -> SocketAddr {
        self.tunnel
    }

    /// The control API, and what a stand-in is given as `--quick-service`, e.g. `"http://127.0.0.1:4711"`.
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }

    /// What vouches for the port with TLS.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Makes a named tunnel known, and gives what its owner would copy from the dashboard.
    pub fn make(&self, wanted: &Wanted) -> Made {
        self.table.make(wanted)
    }

    /// Changes what the edge does with visitors and stand-ins.
    pub fn set(&self, change: impl FnOnce(&mut Rules)) {
        self.table.set(change);
    }

    /// The next requests for a quick tunnel are answered like this, one each; later ones well.
    pub fn answer_quick(&self, answers: impl IntoIterator<Item = Answer>) {
        self.table.answer_quick(answers);
    }

    /// Everything it knows, as `GET /state` of the control API gives it.
    pub fn state(&self) -> Value {
        self.table.state()
    }
}
