//! Listening TCP sockets.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use windows_sys::Win32::{
    Foundation::{ERROR_INSUFFICIENT_BUFFER, FALSE, NO_ERROR},
    NetworkManagement::IpHelper::{
        GetExtendedTcpTable, MIB_TCP6ROW_OWNER_PID, MIB_TCPROW_OWNER_PID, TCP_TABLE_OWNER_PID_LISTENER,
    },
    Networking::WinSock::{AF_INET, AF_INET6},
};

use super::table::program_of;
use crate::Owner;

/// How often the table may outgrow the room made for it.
const TRIES: u32 = 5;

/// Where any of `pids` listens.
///
/// # Errors
/// When the tables cannot be read; never an empty answer instead.
pub fn listening(pids: &[u32]) -> io::Result<Vec<SocketAddr>> {
    Ok(table()?
        .into_iter()
        .filter(|(_, pid)| pids.contains(pid))
        .map(|(address, _)| address)
        .collect())
}

/// Not told here: every connection of this machine counts as one of ours, and has to log in like any other.
pub fn is_of_own_user(_theirs: SocketAddr, _ours: SocketAddr) -> bool {
    true
}

/// Who listens on `port`, on whatever address; `None` when nobody does.
pub fn port_owner(port: u16) -> Option<Owner> {
    let (_, pid) = table()
        .ok()?
        .into_iter()
        .find(|(address, _)| address.port() == port)?;
    Some(Owner {
        pid: Some(pid),
        program: program_of(pid),
    })
}

fn table() -> io::Result<Vec<(SocketAddr, u32)>> {
    let mut found = Vec::new();
    for row in rows::<MIB_TCPROW_OWNER_PID>(AF_INET)? {
        // The address is stored in the network's order.
        let address = Ipv4Addr::from(row.dwLocalAddr.to_ne_bytes());
        found.push((socket(IpAddr::V4(address), row.dwLocalPort), row.dwOwningPid));
    }
    for row in rows::<MIB_TCP6ROW_OWNER_PID>(AF_INET6)? {
        let address = Ipv6Addr::from(row.ucLocalAddr);
        found.push((socket(IpAddr::V6(address), row.dwLocalPort), row.dwOwningPid));
    }
    Ok(found)
}

/// The port stands in the lower half, in the network's order.
fn socket(address: IpAddr, port: u32) -> SocketAddr {
    let [high, low, ..] = port.to_ne_bytes();
    SocketAddr::new(address, u16::from_be_bytes([high, low]))
}

/// The table's rows: after their number as a 32-bit word they stand one after another.
fn rows<T: Copy>(family: u16) -> io::Result<Vec<T>> {
    let mut size = 0_u32;
    for _ in 0..TRIES {
        let words = usize::try_from(size).map_err(io::Error::other)?.div_ceil(4);
        let mut table = vec![0_u32; words.max(1)];
        // SAFETY: `size` is at most what `table` has room for, in bytes.
        let error = unsafe {
            GetExtendedTcpTable(
                table.as_mut_ptr().cast(),
                &raw mut size,
                FALSE,
                u32::from(family),
                TCP_TABLE_OWNER_PID_LISTENER,
                0,
            )
        };
        match error {
            NO_ERROR => {
                let count = usize::try_from(table[0]).map_err(io::Error::other)?;
                let room = (table.len() - 1) * 4 / std::mem::size_of::<T>();
                // SAFETY: both row types are plain words and bytes with the alignment of a word, and as many as are
                // read lie within the table.
                return Ok((0..count.min(room))
                    .map(|index| unsafe { table.as_ptr().add(1).cast::<T>().add(index).read_unaligned() })
                    .collect());
            }
            ERROR_INSUFFICIENT_BUFFER => {}
            error => return Err(io::Error::from_raw_os_error(error.cast_signed())),
        }
    }
    Err(io::Error::other("the table of sockets grows too fast"))
}
