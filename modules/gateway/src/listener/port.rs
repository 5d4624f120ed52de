//! Which port: the chosen one, the one of last time, or a free one.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::net::{TcpListener, TcpSocket};

/// What the system takes of an answer before anybody reads it. Left to itself it takes megabytes, and a reader that has
/// stopped is noticed minutes later.
const SEND_BYTES: u32 = 128 * 1024;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// The person's own choice is not free. It is left alone, whoever holds it.
    #[error("port {0} is held by another program: stop it, or choose another `gateway.port`")]
    Taken(u16),
    /// Anything else.
    #[error("no port could be opened on 127.0.0.1")]
    Failed(#[source] io::Error),
}

/// Opens `chosen`, or if it is 0 the port of last time, or a free one. Only ever on 127.0.0.1.
pub(crate) fn bind(chosen: u16, last: Option<u16>) -> Result<TcpListener, BindError> {
    if chosen != 0 {
        return open(chosen).map_err(|error| {
            let is_not_ours = matches!(
                error.kind(),
                io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
            );
            if is_not_ours {
                BindError::Taken(chosen)
            } else {
                BindError::Failed(error)
            }
        });
    }
    if let Some(last) = last
        && let Ok(listener) = open(last)
    {
        return Ok(listener);
    }
    open(0).map_err(BindError::Failed)
}

fn open(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // On Windows this would take a port that another program holds.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Connections inherit it.
    socket.set_send_buffer_size(SEND_BYTES)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_port_of_last_time_is_kept_while_it_is_free() {
        let first = bind(0, None).unwrap();
        let port = first.local_addr().unwrap().port();

        let second = bind(0, Some(port)).unwrap();
        assert_ne!(second.local_addr().unwrap().port(), port);
        let taken = bind(port, None);
        assert!(matches!(taken, Err(BindError::Taken(taken)) if taken == port));
        drop(first);
        let again = bind(0, Some(port)).unwrap();

        assert_eq!(
            again.local_addr().unwrap(),
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        );
    }
}
