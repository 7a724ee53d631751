//! `api healthcheck`: for containers, whose images have no HTTP client.

use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use anyhow::{Context, ensure};
use prepnexus_settings::HttpSettings;

const LIMIT: Duration = Duration::from_secs(3);

pub(crate) fn run(http: &HttpSettings) -> anyhow::Result<()> {
    let host = match http.api_host.as_str() {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    let mut addresses = (host, http.api_port).to_socket_addrs()?;
    let address = addresses.next().context("the host has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream
        .write_all(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    let status = String::from_utf8_lossy(&status);
    ensure!(status.ends_with(" 200"), "not ready: {status}");
    Ok(())
}
