//! Bytes to and from a socket, for what no HTTP client would send.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
};

use crate::harness::{Api, PATIENCE};

/// A connection without a client.
pub(crate) struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

/// One answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl RawAnswer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Raw {
    pub(crate) fn connect(api: &Api) -> Self {
        let stream = TcpStream::connect(api.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Sends as much as the server takes: it may have answered and closed in between.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _refused = self.stream.write_all(bytes.as_ref());
        self
    }

    pub(crate) fn finish_sending(&mut self) -> &mut Self {
        self.stream.shutdown(Shutdown::Write).unwrap();
        self
    }

    /// The next answer; `None` when the connection ended instead. `has_body` is false after HEAD.
    pub(crate) fn answer(&mut self, has_body: bool) -> Option<RawAnswer> {
        let end = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end + 4;
            }
            if !self.read_more() {
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.to_lowercase();
        let length = length
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        let length = if has_body && status != 304 { length } else { 0 };
        while self.read.len() < length {
            assert!(self.read_more(), "an answer ends early: {head}");
        }
        let body = self.read.drain(..length).collect();
        Some(RawAnswer { status, head, body })
    }

    /// Whether the server closes the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.read.is_empty() && !self.read_more()
    }

    fn read_more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("neither an answer nor an end: {error}"),
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}

/// The answer to one request that is sent whole.
pub(crate) fn exchange(api: &Api, bytes: impl AsRef<[u8]>) -> Option<RawAnswer> {
    Raw::connect(api).send(bytes).answer(true)
}
