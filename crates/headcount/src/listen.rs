//! Ports: one socket per core for beacons, one for everything else.
//!
//! What it is not: accepting. The rooms do that.
//!
//! What surprises: sockets that share a port (SO_REUSEPORT) would also share it with another
//! process of the same user, in silence. So the port is first taken alone, as a question.

#![expect(clippy::disallowed_types, reason = "listening addresses are settings, not visitors")]

use std::net::{SocketAddr, TcpListener};

use anyhow::Context;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted on each socket.
const BACKLOG: i32 = 4_096;

/// `cores` non-blocking sockets on one port.
///
/// # Errors
/// If the port is taken or the address is not this machine's.
pub(crate) fn shared(
    key: &str,
    address: SocketAddr,
    cores: usize,
) -> anyhow::Result<(Vec<TcpListener>, SocketAddr)> {
    let (probe, address) = one(key, address)?;
    drop(probe);
    let sockets = (0..cores.max(1))
        .map(|_| socket(address, true))
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| taken(key, address))?;
    Ok((sockets, address))
}

/// One non-blocking socket that nobody shares, and where it really is.
///
/// # Errors
/// If the port is taken or the address is not this machine's.
pub(crate) fn one(key: &str, address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = socket(address, false).with_context(|| taken(key, address))?;
    let address = listener.local_addr().with_context(|| format!("{key}: no address"))?;
    Ok((listener, address))
}

fn taken(key: &str, address: SocketAddr) -> String {
    format!("{key} = {address} cannot be opened; stop what uses it, or set another {key}")
}

fn socket(address: SocketAddr, shared: bool) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
