//! Listening TCP sockets. The kernel's own interface is not public; lsof(8) is part of every system.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::{Command, Stdio},
};

use crate::Owner;

/// Where any of `pids` listens.
///
/// # Errors
/// When it cannot be asked; never an empty answer instead.
pub fn listening(pids: &[u32]) -> io::Result<Vec<SocketAddr>> {
    if pids.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<String> = pids.iter().map(ToString::to_string).collect();
    let said = ask(&["-a", "-p", &list.join(","), "-iTCP", "-sTCP:LISTEN", "-Fn"])?;
    Ok(said
        .lines()
        .filter_map(|line| parse_address(line.strip_prefix('n')?))
        .collect())
}

/// Not told here: every connection of this machine counts as one of ours, and has to log in like any other.
pub fn is_of_own_user(_theirs: SocketAddr, _ours: SocketAddr) -> bool {
    true
}

/// Who listens on `port`, on whatever address; `None` when nobody does.
pub fn port_owner(port: u16) -> Option<Owner> {
    let said = ask(&[&format!("-iTCP:{port}"), "-sTCP:LISTEN", "-Fpc"]).ok()?;
    let field = |mark| said.lines().find_map(|line| line.strip_prefix(mark));
    let pid = field('p')?.parse().ok();
    Some(Owner {
        pid,
        program: field('c').map(str::to_owned),
    })
}

fn ask(arguments: &[&str]) -> io::Result<String> {
    let output = Command::new("/usr/sbin/lsof")
        .args(["-nP", "-w"])
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    // 1 means that nothing was found.
    match output.status.code() {
        Some(0 | 1) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        code => Err(io::Error::other(format!("lsof ended with {code:?}"))),
    }
}

/// `127.0.0.1:8080`, `[::1]:8080`, or `*:8080` for every address.
fn parse_address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("*:") {
        Some(port) => Some(SocketAddr::new(
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port.parse().ok()?,
        )),
        None => text.parse().ok(),
    }
}
