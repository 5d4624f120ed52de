//! One registration with the edge, real or pretended.

use std::{io, time::Duration};

use fakes::{
    ids,
    wire::{Down, Hello, Up},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::{life::Life, script::Register};

/// How long an answer to a registration is waited for.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

pub(crate) enum Attempt {
    Registered(Session),
    /// With the server's reason.
    Refused(String),
    /// The same, for good.
    Final(String),
    NoAnswer,
    NoDial,
}

pub(crate) struct Session {
    pub(crate) connection: String,
    pub(crate) location: String,
    socket: Option<(Lines<BufReader<OwnedReadHalf>>, OwnedWriteHalf)>,
}

pub(crate) async fn register(life: &Life, index: usize, protocol: &str) -> Attempt {
    let wait = life.script.scaled(ANSWER_WAIT);
    let answer = match life.edge {
        Some(_) => tokio::time::timeout(wait, with_edge(life, index, protocol)).await,
        None => tokio::time::timeout(wait, pretended(&life.script.register)).await,
    };
    match answer {
        Ok(Ok(attempt)) => attempt,
        Ok(Err(_closed)) => Attempt::NoDial,
        Err(_time_is_over) => Attempt::NoAnswer,
    }
}

async fn pretended(register: &Register) -> io::Result<Attempt> {
    Ok(match register {
        Register::Accepted => Attempt::Registered(Session {
            connection: ids::uuid(),
            location: "lhr01".to_owned(),
            socket: None,
        }),
        Register::Unauthorized => Attempt::Refused("Unauthorized: Invalid tunnel secret".to_owned()),
        Register::NotFound => Attempt::Refused("Unauthorized: Tunnel not found".to_owned()),
        Register::Final(reason) => Attempt::Final(reason.clone()),
        Register::Silent => std::future::pending().await,
    })
}

async fn with_edge(life: &Life, index: usize, protocol: &str) -> io::Result<Attempt> {
    let Some(edge) = life.edge else {
        return Ok(Attempt::NoDial);
    };
    let (reader, mut writer) = TcpStream::connect(edge).await?.into_split();
    let hello = Hello {
        tunnel: life.tunnel.clone(),
        secret: life.secret.clone(),
        connector: life.connector.clone(),
        index,
        protocol: protocol.to_owned(),
        data: life.data,
    };
    say(&mut writer, &hello).await?;
    let mut lines = BufReader::new(reader).lines();
    let line = lines.next_line().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(match serde_json::from_str(&line)? {
        Down::Registered { connection, location } => Attempt::Registered(Session {
            connection,
            location,
            socket: Some((lines, writer)),
        }),
        Down::Refused {
            reason,
            is_final: true,
        } => Attempt::Final(reason),
        Down::Refused { reason, .. } => Attempt::Refused(reason),
        Down::Config { .. } => Attempt::NoDial,
    })
}

impl Session {
    /// Returns when the edge has closed; what it pushes meanwhile is taken.
    pub(crate) async fn closed(&mut self, life: &Life) {
        let Some((lines, _)) = &mut self.socket else {
            return std::future::pending().await;
        };
        while let Ok(Some(line)) = lines.next_line().await {
            if let Ok(Down::Config { config, version }) = serde_json::from_str(&line) {
                life.push(&config, version);
            }
        }
    }

    /// Takes no further requests, and waits until those in flight have ended.
    pub(crate) async fn unregister(&mut self, life: &Life) {
        match &mut self.socket {
            Some((_, writer)) => {
                // An edge that is gone has closed already.
                let _ = say(writer, &Up::Unregister).await;
                self.closed(life).await;
            }
            None => {
                let mut in_flight = life.in_flight.subscribe();
                // The sender lives as long as the process.
                let _ = in_flight.wait_for(|count| *count == 0).await;
            }
        }
    }
}

async fn say(to: &mut OwnedWriteHalf, message: &impl serde::Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(message)?;
    line.push('\n');
    to.write_all(line.as_bytes()).await
}
