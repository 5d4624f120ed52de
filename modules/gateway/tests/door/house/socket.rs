//! The other end of a live socket.

use futures_util::StreamExt;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message, client::IntoClientRequest, http::HeaderName, protocol::frame::coding::CloseCode,
    },
};

use super::{PATIENCE, asking::Ask};

pub type Socket = WebSocketStream<TcpStream>;

impl Ask {
    /// Shakes hands; gives the status when that is refused.
    pub async fn socket(&self) -> Result<Socket, u16> {
        let host = self.headers.iter().find(|(name, _)| name == "Host");
        let mut request = format!("ws://{}{}", host.unwrap().1, self.path)
            .into_client_request()
            .unwrap();
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "Host") {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }
}

async fn next(socket: &mut Socket) -> Message {
    let next = tokio::time::timeout(PATIENCE, socket.next());
    next.await.unwrap().unwrap().unwrap()
}

pub async fn text(socket: &mut Socket) -> String {
    loop {
        match next(socket).await {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => panic!("{other:?}"),
        }
    }
}

/// Waits for a sign of life that asks for one.
pub async fn ping(socket: &mut Socket) {
    while !matches!(next(socket).await, Message::Ping(_)) {}
}

pub async fn close_code(socket: &mut Socket) -> CloseCode {
    loop {
        match next(socket).await {
            Message::Close(frame) => return frame.unwrap().code,
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) => {}
            other @ (Message::Binary(_) | Message::Frame(_)) => panic!("{other:?}"),
        }
    }
}
