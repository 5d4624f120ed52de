//! Listening, with and without TLS.

use std::{convert::Infallible, future::Future, net::SocketAddr, time::Duration};

use anyhow::Context;
use axum::{
    Router,
    body::Body,
    http::{Request, Response},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

/// The pause after a failed accept, which is a shortage of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Ends a task with its owner.
#[derive(Debug)]
pub(crate) struct AbortOnDrop(AbortHandle);

impl From<JoinHandle<()>> for AbortOnDrop {
    fn from(task: JoinHandle<()>) -> Self {
        Self(task.abort_handle())
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A listener on a loopback port; 0 is a free one.
pub(crate) async fn listen(port: u16) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| format!("could not listen on 127.0.0.1:{port}"))?;
    let address = listener.local_addr().context("could not read the own address")?;
    Ok((listener, address))
}

/// Answers every request with `answer`, until dropped; then open answers are cut.
pub(crate) fn answer_all<A, F>(listener: TcpListener, tls: Option<TlsAcceptor>, answer: A) -> AbortOnDrop
where
    A: Fn(Request<Body>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok((socket, peer)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            connections.spawn(take(socket, peer, tls.clone(), answer.clone()));
        }
    });
    task.into()
}

async fn take<A, F>(socket: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, answer: A)
where
    A: Fn(Request<Body>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    // Small pieces of a stream go out at once.
    let _ = socket.set_nodelay(true);
    match tls {
        None => connection(socket, peer, answer).await,
        Some(acceptor) => {
            if let Ok(socket) = acceptor.accept(socket).await {
                connection(socket, peer, answer).await;
            }
        }
    }
}

async fn connection<IO, A, F>(io: IO, peer: SocketAddr, answer: A)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Body>, SocketAddr) -> F + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let answered = answer(request.map(Body::new), peer);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    // A client that leaves is no failure of the server.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades()
        .await;
}

/// Serves routes until dropped.
pub(crate) fn routes(listener: TcpListener, routes: Router) -> AbortOnDrop {
    tokio::spawn(async move {
        // Serving ends with an error only when the listener is gone, and then nobody is left to tell.
        axum::serve(listener, routes).await.ok();
    })
    .into()
}

/// Prints `line` and waits for the end of standard input, so that a program never outlives whoever started it.
///
/// # Errors
/// When nobody reads the line.
pub async fn serve_until_input_ends(line: &str) -> anyhow::Result<()> {
    let mut out = tokio::io::stdout();
    let text = format!("{line}\n");
    tokio::io::AsyncWriteExt::write_all(&mut out, text.as_bytes())
        .await
        .context("could not print")?;
    tokio::io::AsyncWriteExt::flush(&mut out)
        .await
        .context("could not print")?;
    let mut input = tokio::io::stdin();
    let mut scratch = [0; 256];
    while input
        .read(&mut scratch)
        .await
        .context("could not read standard input")?
        > 0
    {}
    Ok(())
}
