//! Whoever comes to the public side.

use std::net::SocketAddr;

use axum::{
    body::Body,
    http::{HeaderMap, Request, Response},
};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// An answer, read to its end.
#[derive(Debug)]
pub struct Seen {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub async fn get(address: SocketAddr, host: &str, path: &str) -> Seen {
    whole(send(address, request("GET", host, path, Body::empty())).await).await
}

pub async fn post(address: SocketAddr, path: &str, body: &str) -> Seen {
    let mut request = request("POST", "localhost", path, Body::from(body.to_owned()));
    request
        .headers_mut()
        .insert("content-type", "application/json".parse().unwrap());
    whole(send(address, request).await).await
}

pub fn request(method: &str, host: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", host)
        .body(body)
        .unwrap()
}

/// The head of the answer; its body comes as it comes.
pub async fn send(address: SocketAddr, request: Request<Body>) -> Response<Body> {
    over(TcpStream::connect(address).await.unwrap(), request).await
}

pub async fn over<IO>(io: IO, request: Request<Body>) -> Response<Body>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap().map(Body::new)
}

pub async fn whole(response: Response<Body>) -> Seen {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Seen {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}
