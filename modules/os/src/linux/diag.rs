//! Whose the other end of a connection on this machine is, asked of the kernel by its two addresses (sock_diag(7)): what
//! it costs does not grow with the connections there are.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::{SOCK_DIAG, SocketAddrNetlink},
        recv, sendto, socket_with,
    },
};

/// Of `struct nlmsghdr`.
const HEAD_BYTES: usize = 16;
/// Of `struct inet_diag_req_v2`.
const QUESTION_BYTES: usize = 56;
/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
const IPPROTO_TCP: u8 = 6;
/// States of connections that somebody may hold: any but LISTEN and TIME_WAIT. The kernel does not look at it when it is
/// asked for a single one.
const STATES: u32 = 0xfff & !(1 << 10) & !(1 << 6);
/// Where `struct inet_diag_msg` has what is asked for, behind the head.
const STATE_AT: usize = HEAD_BYTES + 1;
const PORTS_AT: usize = HEAD_BYTES + 4;
const USER_AT: usize = HEAD_BYTES + 64;
const INODE_AT: usize = HEAD_BYTES + 68;

/// The user of the end at `theirs` of the connection between `theirs` and `ours`; `None` when no process holds it any
/// more.
///
/// # Errors
/// The kernel's, when it cannot be asked this way.
pub(super) fn user_of(theirs: SocketAddr, ours: SocketAddr) -> io::Result<Option<u32>> {
    match ask(theirs, ours)? {
        Told::User(user) => Ok(Some(user)),
        Told::Closed => Ok(None),
        // A kernel without its part for TCP says the same. Our own end is there for certain.
        Told::Unknown => match ask(ours, theirs)? {
            Told::User(_) | Told::Closed => Ok(None),
            Told::Unknown => Err(io::ErrorKind::Unsupported.into()),
        },
    }
}

/// What the kernel says of one end.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// This user holds it.
    User(u32),
    /// Nobody holds it any more, or it is no connection.
    Closed,
    /// There is none, or nobody to look for it.
    Unknown,
}

fn ask(theirs: SocketAddr, ours: SocketAddr) -> io::Result<Told> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(SOCK_DIAG),
    )?;
    let kernel = SocketAddrNetlink::new(0, 0);
    sendto(&socket, &question(theirs, ours), SendFlags::empty(), &kernel)?;
    let mut answer = [0; 512];
    // The kernel has answered by the time the question is sent.
    let (length, _) = recv(&socket, &mut answer[..], RecvFlags::DONTWAIT)?;
    read(answer.get(..length).unwrap_or_default(), theirs, ours)
}

fn question(theirs: SocketAddr, ours: SocketAddr) -> [u8; HEAD_BYTES + QUESTION_BYTES] {
    // A connection of IPv4 is found as such, whatever family the program at its other end uses.
    let (family, source, target) = match (theirs.ip().to_canonical(), ours.ip().to_canonical()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => (
            AddressFamily::INET,
            padded(&source.octets()),
            padded(&target.octets()),
        ),
        (source, target) => (AddressFamily::INET6, octets(source), octets(target)),
    };
    let mut text = Vec::with_capacity(HEAD_BYTES + QUESTION_BYTES);
    let length = u32::try_from(HEAD_BYTES + QUESTION_BYTES).unwrap_or_default();
    text.extend(length.to_ne_bytes());
    text.extend(BY_FAMILY.to_ne_bytes());
    text.extend(REQUEST.to_ne_bytes());
    text.extend([0; 8]);
    text.extend([
        u8::try_from(family.as_raw()).unwrap_or_default(),
        IPPROTO_TCP,
        0,
        0,
    ]);
    text.extend(STATES.to_ne_bytes());
    text.extend(theirs.port().to_be_bytes());
    text.extend(ours.port().to_be_bytes());
    text.extend(source);
    text.extend(target);
    // Any interface, any cookie.
    text.extend([0; 4]);
    text.extend([0xff; 8]);
    text.try_into().unwrap_or([0; HEAD_BYTES + QUESTION_BYTES])
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

fn padded(octets: &[u8; 4]) -> [u8; 16] {
    let mut padded = [0; 16];
    padded[..4].copy_from_slice(octets);
    padded
}

fn read(answer: &[u8], theirs: SocketAddr, ours: SocketAddr) -> io::Result<Told> {
    let short = || io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer is too short");
    let number = |at: usize| {
        let bytes = answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_ne_bytes).ok_or_else(short)
    };
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok());
    match kind.map(u16::from_ne_bytes).ok_or_else(short)? {
        BY_FAMILY => {}
        ERROR => {
            let code = i32::from_ne_bytes(number(HEAD_BYTES)?.to_ne_bytes());
            let error = Errno::from_raw_os_error(code.wrapping_neg());
            return if error == Errno::NOENT {
                Ok(Told::Unknown)
            } else {
                Err(error.into())
            };
        }
        _ => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the kernel answered something else",
            ));
        }
    }
    // Where no such connection is left, the kernel may have found somebody who listens at its address.
    let ports = [theirs.port().to_be_bytes(), ours.port().to_be_bytes()].concat();
    let is_it = answer.get(PORTS_AT..PORTS_AT + 4) == Some(&ports[..]);
    let is_open = answer
        .get(STATE_AT)
        .is_some_and(|state| STATES & (1 << state) != 0);
    // An end that its process has closed has no inode, and user 0 stands for nobody there.
    let is_held = number(INODE_AT)? != 0;
    if is_it && is_open && is_held {
        number(USER_AT).map(Told::User)
    } else {
        Ok(Told::Closed)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    fn pair(server: &str, client: &str) -> (TcpStream, TcpStream, SocketAddr, SocketAddr) {
        let listener = TcpListener::bind(server).unwrap();
        let port = listener.local_addr().unwrap().port();
        let near = TcpStream::connect(format!("{client}:{port}")).unwrap();
        let (far, theirs) = listener.accept().unwrap();
        let ours = far.local_addr().unwrap();
        (near, far, theirs, ours)
    }

    #[test]
    fn the_user_of_an_open_end_is_told_and_of_a_closed_one_nobody() {
        let own = rustix::process::geteuid().as_raw();
        for (server, client) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("[::1]:0", "[::1]"),
            ("[::]:0", "127.0.0.1"),
        ] {
            let (near, _far, theirs, ours) = pair(server, client);
            assert_eq!(user_of(theirs, ours).unwrap(), Some(own), "{server} {client}");
            // Ours, as they would ask for it; the other way round it is the same connection.
            assert_eq!(user_of(ours, theirs).unwrap(), Some(own), "{server} {client}");
            drop(near);
            // A child that another test has just forked holds a copy until it runs its own program.
            let late = Instant::now() + Duration::from_secs(20);
            while user_of(theirs, ours).unwrap().is_some() {
                assert!(Instant::now() < late, "{server} {client}");
                thread::yield_now();
            }
        }
    }

    #[test]
    fn a_program_that_listens_at_an_address_is_not_taken_for_a_connection_from_it() {
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();

        let user = user_of(listening.local_addr().unwrap(), other.local_addr().unwrap());

        assert_eq!(user.unwrap(), None);
    }

    #[test]
    fn where_neither_end_is_known_nothing_is_known() {
        let nobody = ["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()];

        let user = user_of(nobody[0], nobody[1]);

        assert_eq!(user.unwrap_err().kind(), io::ErrorKind::Unsupported);
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        let (theirs, ours) = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
        let mut cut_off = [0; 40];
        cut_off[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        for answer in [&[][..], &[0; 8], &[0; 200], &cut_off] {
            assert!(read(answer, theirs, ours).is_err(), "{answer:?}");
        }
    }
}
