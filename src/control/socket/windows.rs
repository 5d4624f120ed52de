//! A named pipe whose name is made from the private `run` folder.

use std::{
    fs::{File, OpenOptions},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::Path,
};

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};

/// A connected peer on the agent's side.
pub(crate) type Stream = NamedPipeServer;

/// Waits for peers.
pub(crate) struct Listener {
    name: String,
    next: NamedPipeServer,
}

impl Listener {
    /// Listens. The caller holds the instance lock.
    pub(crate) fn bind(run: &Path) -> io::Result<Self> {
        let name = name(run);
        let next = ServerOptions::new()
            .first_pipe_instance(true)
            .reject_remote_clients(true)
            .create(&name)?;
        Ok(Self { name, next })
    }

    /// The next peer.
    pub(crate) async fn accept(&mut self) -> io::Result<Stream> {
        self.next.connect().await?;
        let fresh = ServerOptions::new()
            .reject_remote_clients(true)
            .create(&self.name)?;
        Ok(std::mem::replace(&mut self.next, fresh))
    }
}

/// Connects from a process without a runtime.
pub(crate) fn connect_blocking(run: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(name(run))
}

fn name(run: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    run.hash(&mut hasher);
    format!(r"\\.\pipe\opencode-nexus-{:016x}", hasher.finish())
}
