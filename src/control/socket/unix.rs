//! A Unix socket in the private `run` folder.

use std::{
    fs::File,
    io,
    os::{fd::AsRawFd, unix::net::UnixStream},
    path::{Path, PathBuf},
};

use tokio::net::UnixListener;

/// Addresses of Unix sockets hold 108 bytes on Linux and 104 on macOS, the closing zero included.
const ADDRESS_BYTES_MAX: usize = 100;

/// A connected peer on the agent's side.
pub(crate) type Stream = tokio::net::UnixStream;

/// Waits for peers.
pub(crate) struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens. The caller holds the instance lock: what is at the path is a dead agent's.
    pub(crate) fn bind(run: &Path) -> io::Result<Self> {
        let path = path(run);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = with_short(run, |short| UnixListener::bind(short))?;
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// The next peer.
    pub(crate) async fn accept(&mut self) -> io::Result<Stream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Leaving it behind is harmless: the next agent removes it.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Connects from a process without a runtime.
pub(crate) fn connect_blocking(run: &Path) -> io::Result<UnixStream> {
    with_short(run, |short| UnixStream::connect(short))
}

fn path(run: &Path) -> PathBuf {
    run.join("control.sock")
}

/// Calls `act` with the socket's path, through an open folder when the path is too long for an address.
fn with_short<T>(run: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = path(run);
    if path.as_os_str().len() <= ADDRESS_BYTES_MAX {
        return act(&path);
    }
    let folder = File::open(run)?;
    act(Path::new(&format!(
        "/proc/self/fd/{}/control.sock",
        folder.as_raw_fd()
    )))
}
