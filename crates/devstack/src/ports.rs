//! Free TCP ports, chosen by the system.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::error::{During, Result};

/// The loopback address of a port; servers listen there and nowhere else.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A port that was free a moment ago. Another process may take it first: the starting server finds out, and the start
/// is tried again with another.
pub(crate) fn pick() -> Result<u16> {
    let listener = TcpListener::bind(loopback(0)).during(|| "find a free port".to_owned())?;
    let address = listener
        .local_addr()
        .during(|| "find a free port".to_owned())?;
    Ok(address.port())
}

/// Whether nothing listens on `port` now.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind(loopback(port)).is_ok()
}
