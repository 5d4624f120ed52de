//! Who is at the other end of a Unix socket.
#![expect(
    unsafe_code,
    reason = "these socket options and poll(2) are offered by the C library alone"
)]

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::fstat,
    net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with},
    process::{Pid, PidfdFlags, pidfd_open},
};

/// `SO_PEERPIDFD` (include/uapi/asm-generic/socket.h), since Linux 6.5.
const SO_PEERPIDFD: libc::c_int = 77;
/// `SOCK_DIAG_BY_FAMILY` (include/uapi/linux/sock_diag.h).
const BY_FAMILY: u16 = 20;
/// `UDIAG_SHOW_PEER` and `UNIX_DIAG_PEER` (include/uapi/linux/unix_diag.h).
const SHOW_PEER: u32 = 4;
const PEER: u16 = 2;
/// A netlink header and the fixed part of what is told of a Unix socket.
const TOLD_BYTES: usize = 16 + 16;

/// The process that connected a socket, held so that its number cannot come to mean another one unnoticed.
///
/// The number alone is not enough: it is that of the moment of the connection, and a connection can outlive its
/// process.
#[derive(Debug)]
pub struct Peer {
    pid: u32,
    descriptor: OwnedFd,
}

impl Peer {
    /// The process at the other end of `socket`, the accepted one of a connection.
    ///
    /// # Errors
    /// When it is gone, or it cannot be shown which process it is.
    pub fn of(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let pid = option::<libc::ucred>(socket, libc::SO_PEERCRED)?.pid;
        let descriptor = match option::<libc::c_int>(socket, SO_PEERPIDFD) {
            // SAFETY: the kernel made this descriptor for us just now, and nobody else has it.
            Ok(descriptor) => unsafe { OwnedFd::from_raw_fd(descriptor) },
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => by_its_end(socket, pid)?,
            Err(error) => return Err(error),
        };
        let pid = u32::try_from(pid).map_err(io::Error::other)?;
        Ok(Self { pid, descriptor })
    }

    /// Its number: whom it means is certain only while [`is_alive`](Self::is_alive).
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has not ended.
    pub fn is_alive(&self) -> bool {
        let mut asked = libc::pollfd {
            fd: self.descriptor.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: poll(2) reads and fills the one entry it is given, which lives here.
        let found = unsafe { libc::poll(&raw mut asked, 1, 0) };
        // Readable means ended (pidfd_open(2)).
        found == 0
    }
}

/// The user at the other end of a connected socket.
///
/// # Errors
/// The system's.
pub fn peer_uid(socket: BorrowedFd<'_>) -> io::Result<u32> {
    Ok(option::<libc::ucred>(socket, libc::SO_PEERCRED)?.uid)
}

/// Before Linux 6.5: holds on to whoever has the number now, and believes that it is the peer only if it has the
/// connection's other end open.
fn by_its_end(socket: BorrowedFd<'_>, pid: i32) -> io::Result<OwnedFd> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let descriptor = pidfd_open(Pid::from_raw(pid).ok_or_else(gone)?, PidfdFlags::empty())?;
    let end = format!("socket:[{}]", other_end(socket)?);
    let has_it = fs::read_dir(format!("/proc/{pid}/fd"))?
        .flatten()
        .any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(&end)));
    if has_it { Ok(descriptor) } else { Err(gone()) }
}

/// The inode of a connection's other end (sock_diag(7)).
fn other_end(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let inode = u32::try_from(fstat(socket)?.st_ino).map_err(io::Error::other)?;
    let asks = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    let mut question = Vec::with_capacity(40);
    question.extend(40_u32.to_ne_bytes());
    question.extend(BY_FAMILY.to_ne_bytes());
    // NLM_F_REQUEST; number and sender do not matter for a single question.
    question.extend(1_u16.to_ne_bytes());
    question.extend([0; 8]);
    // AF_UNIX, no protocol, padding; a socket in any state, with any cookie.
    question.extend([1, 0, 0, 0]);
    for word in [u32::MAX, inode, SHOW_PEER, u32::MAX, u32::MAX] {
        question.extend(word.to_ne_bytes());
    }
    send(&asks, &question, SendFlags::empty())?;
    let mut told = [0; 512];
    // The kernel has answered when `send` returns.
    let (_, length) = recv(&asks, &mut told[..], RecvFlags::DONTWAIT)?;
    peer_in(&told[..length.min(told.len())]).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

/// The other end in the kernel's answer.
fn peer_in(told: &[u8]) -> Option<u32> {
    let half = |at: usize| Some(u16::from_ne_bytes(told.get(at..at + 2)?.try_into().ok()?));
    if half(4)? != BY_FAMILY {
        return None;
    }
    let mut at = TOLD_BYTES;
    loop {
        let length = usize::from(half(at)?);
        if half(at + 2)? == PEER {
            return Some(u32::from_ne_bytes(told.get(at + 4..at + 8)?.try_into().ok()?));
        }
        // Attributes begin at multiples of four; one has at least its own header.
        at += length.max(4).next_multiple_of(4);
    }
}

/// An option of a socket that the kernel tells as a `T`.
fn option<T: Copy>(socket: BorrowedFd<'_>, name: libc::c_int) -> io::Result<T> {
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    let mut length = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: getsockopt(2) writes at most `length` bytes, the size of `value`. Both kinds asked for here, `ucred` and
    // `c_int`, are numbers throughout, so whatever is written is a value.
    unsafe {
        let failed = libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            value.as_mut_ptr().cast(),
            &raw mut length,
        );
        if failed != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(value.assume_init())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::net::{UnixListener, UnixStream},
        process::Command,
    };

    use super::*;

    /// Connects, leaves the connection to a program that outlives it, and ends.
    const CONNECT_AND_END: &str = "import socket, subprocess, sys
stream = socket.socket(socket.AF_UNIX)
stream.connect(sys.argv[1])
subprocess.Popen(['cat'], stdin=stream, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
";

    #[test]
    fn a_connection_that_outlived_its_process_has_no_living_peer() {
        let path = std::env::temp_dir().join(format!("os-peer-{}.sock", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let ended = Command::new("/usr/bin/python3")
            .args(["-c", CONNECT_AND_END])
            .arg(&path)
            .output()
            .expect("python3 is missing: apt-get install -y python3");
        fs::remove_file(&path).unwrap();
        assert!(ended.status.success(), "{ended:?}");

        let (stream, _) = listener.accept().unwrap();

        assert!(!Peer::of(stream.as_fd()).is_ok_and(|peer| peer.is_alive()));
        assert!(by_its_end(stream.as_fd(), std::process::id().cast_signed()).is_err());
    }

    #[test]
    fn a_living_peer_is_found_in_both_ways() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let own = std::process::id();

        let peer = Peer::of(ours.as_fd()).unwrap();
        let by_end = by_its_end(ours.as_fd(), own.cast_signed());
        let of_another = by_its_end(ours.as_fd(), 1);
        drop(theirs);
        let after_its_end = by_its_end(ours.as_fd(), own.cast_signed());

        assert_eq!((peer.pid(), peer.is_alive()), (own, true));
        assert!(by_end.is_ok(), "{by_end:?}");
        assert!(of_another.is_err(), "{of_another:?}");
        assert!(after_its_end.is_err(), "{after_its_end:?}");
        assert_eq!(peer_uid(ours.as_fd()).unwrap(), crate::effective_uid());
    }
}
