//! Ports for children.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};

/// A loopback port nobody listens on now. Whoever is given it may lose it to somebody else before it listens; the
/// driver notices that and has another one chosen.
///
/// # Errors
/// When the system has no port or no descriptor left.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
