//! The side stand-ins connect to.

use std::sync::Arc;

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedWriteHalf},
    sync::watch,
    task::JoinSet,
};

use super::table::{Admission, Link, Table};
use crate::{
    ids,
    serve::AbortOnDrop,
    wire::{Down, Hello, Up},
};

/// Where every connection is said to end.
const LOCATIONS: [&str; 4] = ["lhr01", "lhr11", "man01", "lhr15"];

pub(super) fn listen(listener: TcpListener, table: Arc<Table>) -> AbortOnDrop {
    let task = tokio::spawn(async move {
        let mut conversations = JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            while conversations.try_join_next().is_some() {}
            conversations.spawn(converse(socket, Arc::clone(&table)));
        }
    });
    task.into()
}

async fn converse(socket: TcpStream, table: Arc<Table>) {
    let (reader, mut writer) = socket.into_split();
    let mut lines = BufReader::new(reader).lines();
    let Ok(Some(first)) = lines.next_line().await else {
        return;
    };
    let Ok(hello) = serde_json::from_str::<Hello>(&first) else {
        return;
    };
    let (link, mut pushed, config) = match table.admit(&hello) {
        Admission::Closed => return,
        Admission::Silent => {
            // Until the other side gives up.
            while let Ok(Some(_)) = lines.next_line().await {}
            return;
        }
        Admission::Refused { reason, is_final } => {
            say(&mut writer, &Down::Refused { reason, is_final }).await;
            return;
        }
        Admission::Admitted { link, pushed, config } => (link, pushed, config),
    };
    let gone = Gone { table, link };
    let registered = Down::Registered {
        connection: ids::uuid(),
        location: LOCATIONS[hello.index % LOCATIONS.len()].to_owned(),
    };
    if !say(&mut writer, &registered).await {
        return;
    }
    if let (0, Some((config, version))) = (hello.index, config) {
        say(&mut writer, &Down::Config { config, version }).await;
    }
    let mut busy = gone.link.in_flight.subscribe();
    let mut is_leaving = false;
    loop {
        tokio::select! {
            () = gone.link.cut.cancelled() => return,
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { return };
                if serde_json::from_str(&line).is_ok_and(|up: Up| up == Up::Unregister) {
                    gone.table.leaving(&gone.link);
                    is_leaving = gone.table.rules().closes_at_stop;
                }
            }
            Some(down) = pushed.recv() => {
                if !say(&mut writer, &down).await {
                    return;
                }
            }
            () = idle(&mut busy), if is_leaving => return,
        }
    }
}

/// Waits until nothing is in flight. A count that is gone has nothing in flight either.
async fn idle(busy: &mut watch::Receiver<usize>) {
    let _ = busy.wait_for(|count| *count == 0).await;
}

async fn say(to: &mut OwnedWriteHalf, down: &Down) -> bool {
    let Ok(mut line) = serde_json::to_string(down) else {
        return false;
    };
    line.push('\n');
    to.write_all(line.as_bytes()).await.is_ok()
}

/// Takes a connection out of the table however its conversation ends.
struct Gone {
    table: Arc<Table>,
    link: Link,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.table.left(&self.link);
    }
}
