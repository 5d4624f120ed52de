//! Who has to leave when there are too many connections.

use std::{net::SocketAddr, sync::Arc};

use kit::CancellationToken;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use crate::wire::Talk;

/// The connections of a listener. Strangers' make room: whoever is on this machine can open as many as there are
/// places, and must not be able to keep the owner out with them.
pub(super) struct Crowd {
    places: usize,
    tasks: JoinSet<()>,
    /// In the order they came; those that have ended are swept out when all places are taken.
    seats: Vec<Seat>,
    /// Whoever waits for a place. Nobody has to leave before somebody has come.
    newcomer: Option<(TcpStream, SocketAddr)>,
}

struct Seat {
    task: AbortHandle,
    talk: Arc<Talk>,
}

impl Crowd {
    pub(super) fn new(places: usize) -> Self {
        Self {
            places,
            tasks: JoinSet::new(),
            seats: Vec::new(),
            newcomer: None,
        }
    }

    /// The next connection, once there is a place for it. `None` when `stop` was first. Dropping the future loses nobody.
    pub(super) async fn next(
        &mut self,
        socket: &TcpListener,
        stop: &CancellationToken,
    ) -> Option<std::io::Result<(TcpStream, SocketAddr)>> {
        self.reap();
        if self.newcomer.is_none() {
            tokio::select! {
                () = stop.cancelled() => return None,
                accepted = socket.accept() => match accepted {
                    Ok(newcomer) => self.newcomer = Some(newcomer),
                    Err(error) => return Some(Err(error)),
                },
            }
            self.reap();
        }
        while self.tasks.len() >= self.places {
            self.make_room();
            tokio::select! {
                () = stop.cancelled() => return None,
                _ = self.tasks.join_next() => self.reap(),
            }
        }
        self.newcomer.take().map(Ok)
    }

    /// Gives a connection its place.
    pub(super) fn seat(&mut self, talk: Arc<Talk>, conversation: impl Future<Output = ()> + Send + 'static) {
        if self.seats.len() >= self.places {
            self.seats.retain(|seat| !seat.task.is_finished());
        }
        let task = self.tasks.spawn(conversation);
        self.seats.push(Seat { task, talk });
    }

    /// Waits until all have ended by themselves. Dropping the future ends nothing.
    pub(super) async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Ends all, and waits until they have.
    pub(super) async fn shutdown(&mut self) {
        self.tasks.shutdown().await;
    }

    /// Finished ones leave their place.
    fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }

    /// Ends one connection that never had a session: the oldest between requests, else the oldest.
    fn make_room(&mut self) {
        self.seats.retain(|seat| !seat.task.is_finished());
        let strangers = self.seats.iter().enumerate();
        let strangers = strangers.filter(|(_, seat)| !seat.talk.had_session());
        // Of equals the first, which is the oldest.
        let leaving = strangers.min_by_key(|(_, seat)| !seat.talk.is_idle());
        if let Some(place) = leaving.map(|(place, _)| place) {
            self.seats.remove(place).task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::wire::{Answering, Wire};

    /// The other end of a connection that is seated.
    struct Guest {
        stream: TcpStream,
        talk: Arc<Talk>,
    }

    impl Guest {
        async fn is_out(&mut self) -> bool {
            let mut byte = [0; 1];
            let reading =
                tokio::time::timeout(std::time::Duration::from_secs(20), self.stream.read(&mut byte));
            matches!(reading.await.unwrap(), Ok(0) | Err(_))
        }

        async fn is_answered(&mut self) -> bool {
            self.stream.write_all(b"?").await.unwrap();
            !self.is_out().await
        }
    }

    /// Echoes, so that a test can tell who is still seated.
    async fn echo(mut stream: TcpStream) {
        let mut byte = [0; 1];
        while let Ok(1) = stream.read(&mut byte).await {
            stream.write_all(&byte).await.ok();
        }
    }

    async fn come(crowd: &mut Crowd, socket: &TcpListener) -> Guest {
        let stream = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
        let accepted = crowd.next(socket, &CancellationToken::new()).await;
        let (accepted, _) = accepted.unwrap().unwrap();
        let talk = Arc::new(Talk::default());
        crowd.seat(Arc::clone(&talk), echo(accepted));
        Guest { stream, talk }
    }

    /// Passes a request's head through a wire of this talk: it is under way until the answer is dropped.
    async fn ask(talk: &Arc<Talk>) -> Answering {
        let (mut near, far) = tokio::io::duplex(1024);
        near.write_all(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
            .await
            .unwrap();
        let mut head = [0; 28];
        Wire::new(far, kit::Listener::Local, Arc::clone(talk))
            .read_exact(&mut head)
            .await
            .unwrap();
        Answering::new(talk)
    }

    #[tokio::test]
    async fn the_oldest_stranger_makes_room_and_idle_ones_first() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut crowd = Crowd::new(4);
        let mut busy = come(&mut crowd, &socket).await;
        let answering = ask(&busy.talk).await;
        let mut owner = come(&mut crowd, &socket).await;
        owner.talk.in_session();
        let mut first = come(&mut crowd, &socket).await;
        let mut second = come(&mut crowd, &socket).await;

        let mut third = come(&mut crowd, &socket).await;
        assert!(first.is_out().await);
        let mut fourth = come(&mut crowd, &socket).await;
        assert!(second.is_out().await);
        for guest in [&mut busy, &mut owner, &mut third, &mut fourth] {
            assert!(guest.is_answered().await);
        }

        // All strangers have a request under way, e.g. a body that never ends: the oldest of them leaves.
        let answerings = [ask(&third.talk).await, ask(&fourth.talk).await];
        let mut fifth = come(&mut crowd, &socket).await;
        assert!(busy.is_out().await);
        for guest in [&mut owner, &mut third, &mut fourth, &mut fifth] {
            assert!(guest.is_answered().await);
        }
        drop((answering, answerings));
    }

    #[tokio::test]
    async fn the_last_place_is_kept_while_nobody_else_has_come() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut crowd = Crowd::new(2);
        let owner = come(&mut crowd, &socket).await;
        owner.talk.in_session();
        let mut stranger = come(&mut crowd, &socket).await;

        let short = std::time::Duration::from_millis(50);
        let nobody = tokio::time::timeout(short, crowd.next(&socket, &CancellationToken::new())).await;

        assert!(nobody.is_err());
        assert!(stranger.is_answered().await);
    }

    #[tokio::test]
    async fn connections_with_a_session_are_waited_for() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut crowd = Crowd::new(2);
        let mut one = come(&mut crowd, &socket).await;
        let mut two = come(&mut crowd, &socket).await;
        one.talk.in_session();
        two.talk.in_session();
        let stop = CancellationToken::new();

        let waiting = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
        let short = std::time::Duration::from_millis(50);
        let early = tokio::time::timeout(short, crowd.next(&socket, &stop)).await;

        assert!(early.is_err());
        assert!(one.is_answered().await && two.is_answered().await);
        drop(one);
        assert!(crowd.next(&socket, &stop).await.unwrap().is_ok());
        drop(waiting);
    }
}
