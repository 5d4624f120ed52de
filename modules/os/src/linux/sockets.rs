//! Listening TCP sockets, from `/proc/net/tcp` and `/proc/net/tcp6`.

use std::{
    collections::HashSet,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::{diag, table::program_of};
use crate::Owner;

/// The state LISTEN (include/net/tcp_states.h).
const LISTEN: &str = "0A";

/// Where any of `pids` listens.
///
/// # Errors
/// When the tables cannot be read; never an empty answer instead.
pub fn listening(pids: &[u32]) -> io::Result<Vec<SocketAddr>> {
    let Some(&first) = pids.first() else {
        return Ok(Vec::new());
    };
    let table = table_of(&first.to_string())?;
    let mut own = HashSet::new();
    for &pid in pids {
        own.extend(inodes_of(pid));
    }
    Ok(table
        .into_iter()
        .filter(|(_, inode)| own.contains(inode))
        .map(|(address, _)| address)
        .collect())
}

/// Who listens on `port`, on whatever address; `None` when nobody does.
pub fn port_owner(port: u16) -> Option<Owner> {
    let inodes: HashSet<u64> = table_of("self")
        .ok()?
        .into_iter()
        .filter(|(address, _)| address.port() == port)
        .map(|(_, inode)| inode)
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let pid = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .find(|&pid| inodes_of(pid).any(|inode| inodes.contains(&inode)));
    Some(Owner {
        pid,
        program: pid.and_then(program_of),
    })
}

/// Whether the other end of a TCP connection on this machine is held by our user, or by root. `theirs` and `ours` are the
/// addresses of the two ends. No for an end that is gone already: nobody can say whose it was.
pub fn is_of_own_user(theirs: SocketAddr, ours: SocketAddr) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let is_ours = |user: u32| user == own || user == 0;
    match diag::user_of(theirs, ours) {
        Ok(user) => user.is_some_and(is_ours),
        // A kernel that cannot be asked writes it down all the same.
        Err(_) => user_in_table(theirs, ours).is_some_and(is_ours),
    }
}

/// The same from the table of all connections, which is as long as there are many.
fn user_in_table(theirs: SocketAddr, ours: SocketAddr) -> Option<u32> {
    ["tcp", "tcp6"].iter().find_map(|name| {
        let text = fs::read_to_string(format!("/proc/self/net/{name}")).ok()?;
        text.lines().skip(1).find_map(|line| end_of(line, theirs, ours))
    })
}

/// The user of the end that `line` is about, if it is the one from `theirs` to `ours` and still held by a process.
fn end_of(line: &str, theirs: SocketAddr, ours: SocketAddr) -> Option<u32> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let is = |text: &str, wanted: SocketAddr| {
        parse_address(text).is_some_and(|found| {
            found.port() == wanted.port() && found.ip().to_canonical() == wanted.ip().to_canonical()
        })
    };
    let is_it = is(fields.next()?, theirs) && is(fields.next()?, ours);
    let uid = fields.nth(4)?.parse().ok()?;
    // Closed ends have no inode, and user 0 stands for nobody there.
    let inode: u64 = fields.nth(1)?.parse().ok()?;
    (is_it && inode != 0).then_some(uid)
}

/// The listening sockets in the network namespace of `pid`, with their inodes.
fn table_of(pid: &str) -> io::Result<Vec<(SocketAddr, u64)>> {
    let mut found = Vec::new();
    for name in ["tcp", "tcp6"] {
        match fs::read_to_string(format!("/proc/{pid}/net/{name}")) {
            Ok(text) => found.extend(text.lines().skip(1).filter_map(parse_line)),
            // A kernel without IPv6.
            Err(error) if name == "tcp6" && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn parse_line(line: &str) -> Option<(SocketAddr, u64)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let address = fields.next()?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    (state == LISTEN).then_some(())?;
    Some((parse_address(address)?, inode))
}

/// `0100007F:1F90`: the address as the machine's own 32-bit words in hexadecimal, the port as a number.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let mut bytes = [0; 16];
    let length = address.len() / 2;
    for (word, place) in address.as_bytes().chunks(8).zip(bytes.chunks_mut(4)) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        place.copy_from_slice(&word.to_ne_bytes());
    }
    let address = match length {
        4 => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
        16 => IpAddr::V6(Ipv6Addr::from(bytes)),
        _ => return None,
    };
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}

/// The sockets a process holds; none when it cannot be looked into.
fn inodes_of(pid: u32) -> impl Iterator<Item = u64> {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?
                .parse()
                .ok()
        })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_other_end_of_a_connection_is_ours_while_it_is_held() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, theirs) = listener.accept().unwrap();
        let ours = server.local_addr().unwrap();

        assert!(is_of_own_user(theirs, ours));
        assert_eq!(
            user_in_table(theirs, ours),
            Some(rustix::process::geteuid().as_raw())
        );
        drop(client);
        assert!(!is_of_own_user(theirs, ours));
        assert_eq!(user_in_table(theirs, ours), None);
    }

    #[test]
    fn a_line_of_another_user_is_told_apart() {
        let line = "   1: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 4711 1";
        let theirs = "127.0.0.1:40000".parse().unwrap();
        let ours = "127.0.0.1:8080".parse().unwrap();

        assert_eq!(end_of(line, theirs, ours), Some(1001));
        assert_eq!(end_of(line, ours, theirs), None);
        assert_eq!(end_of(&line.replace("4711", "0"), theirs, ours), None);
        // A client of the other family on the same machine.
        let mapped = "   1: 0000000000000000FFFF00000100007F:9C40 0000000000000000FFFF00000100007F:1F90 01 \
                      00000000:00000000 00:00000000 00000000  1001        0 4711 1";
        assert_eq!(end_of(mapped, theirs, ours), Some(1001));
    }

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        let table = [
            ("0100007F:1F90", Some("127.0.0.1:8080")),
            ("00000000:0016", Some("0.0.0.0:22")),
            ("00000000000000000000000001000000:0050", Some("[::1]:80")),
            ("00000000000000000000000000000000:0050", Some("[::]:80")),
            ("0100:0050", None),
            ("nonsense", None),
        ];
        for (text, expected) in table {
            assert_eq!(
                parse_address(text),
                expected.map(|address| address.parse().unwrap()),
                "{text}"
            );
        }
    }

    #[test]
    fn our_own_listeners_are_found() {
        let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
        let wide = TcpListener::bind("0.0.0.0:0").unwrap();
        let own = std::process::id();

        let found = listening(&[own]).unwrap();

        assert!(found.contains(&v4.local_addr().unwrap()));
        assert!(found.contains(&wide.local_addr().unwrap()));
        let owner = port_owner(v4.local_addr().unwrap().port()).unwrap();
        assert_eq!(owner.pid, Some(own));
        assert!(owner.program.unwrap().starts_with("os-"));
    }
}
