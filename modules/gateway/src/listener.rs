//! Takes connections and gives each its own task.

mod crowd;
mod port;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use kit::{CancellationToken, Listener};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    Admits,
    front::{Front, Visit},
    host::Hosts,
    wire::{Talk, Wire},
};
use crowd::Crowd;
pub(crate) use port::{BindError, bind};

/// Connections of each listener. What is left over makes room, see [`Crowd`].
const LOCAL_CONNECTIONS_MAX: usize = 512;
const TUNNEL_CONNECTIONS_MAX: usize = 256;

/// After the system had no descriptor or memory for a connection.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What requests under way get when the listener ends.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// hyper's buffer per connection: a head always fits.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Serves until `stop`; then finishes what is under way and returns with nothing left running.
pub(crate) async fn serve(
    socket: TcpListener,
    listener: Listener,
    hosts: watch::Receiver<Arc<Hosts>>,
    front: Arc<Front>,
    admits: Admits,
    stop: CancellationToken,
) {
    let mut crowd = Crowd::new(match listener {
        Listener::Local => LOCAL_CONNECTIONS_MAX,
        Listener::Tunnel => TUNNEL_CONNECTIONS_MAX,
    });
    let mut pause = PAUSE_FIRST;
    while let Some(accepted) = crowd.next(&socket, &stop).await {
        match accepted {
            Ok((stream, peer)) => {
                pause = PAUSE_FIRST;
                if !stream.local_addr().is_ok_and(|ours| admits(peer, ours)) {
                    // Other users of this machine have no business here, whatever cookie they got hold of.
                    tracing::debug!(%peer, "a connection of somebody else was closed");
                    continue;
                }
                let talk = Arc::new(Talk::default());
                let connection = Connection {
                    stream,
                    peer,
                    talk: Arc::clone(&talk),
                };
                crowd.seat(
                    talk,
                    converse(
                        connection,
                        listener,
                        hosts.clone(),
                        Arc::clone(&front),
                        stop.clone(),
                    ),
                );
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                tracing::warn!(%error, pause_ms = pause.as_millis(), "no connection could be taken; trying again");
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
    drop(socket);
    if timeout(DRAIN_MAX, crowd.ended()).await.is_err() {
        crowd.shutdown().await;
    }
}

fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    talk: Arc<Talk>,
}

async fn converse(
    connection: Connection,
    listener: Listener,
    hosts: watch::Receiver<Arc<Hosts>>,
    front: Arc<Front>,
    stop: CancellationToken,
) {
    let Connection { stream, peer, talk } = connection;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection went away at once");
        return;
    }
    let wire = Wire::new(stream, listener, Arc::clone(&talk));
    let service = service_fn(|request| {
        let visit = Visit {
            listener,
            address: peer.ip(),
            until: None,
            stop: stop.clone(),
        };
        // Names change while connections live: a tunnel's former name must not be answered.
        let hosts = Arc::clone(&hosts.borrow());
        let (front, talk) = (&front, &talk);
        async move { Ok::<_, std::convert::Infallible>(front.answer(visit, &hosts, talk, request).await) }
    });
    let connection = http1::Builder::new()
        .keep_alive(true)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(wire), service)
        .with_upgrades();
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::trace!(%error, "a connection ended early");
    }
}
