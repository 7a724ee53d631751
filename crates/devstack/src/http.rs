//! Just enough of an HTTP client to ask a server on this machine what it thinks, within a limit.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends one request and reads the answer to its end.
pub(crate) fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
    limit: Duration,
) -> io::Result<Response> {
    let deadline = Instant::now() + limit;
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        let over = || io::Error::from(ErrorKind::TimedOut);
        (!left.is_zero()).then_some(left).ok_or_else(over)
    };
    let mut stream = TcpStream::connect_timeout(&server, left()?)?;
    let length = body.len();
    stream.set_write_timeout(Some(left()?))?;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {server}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let (mut answer, mut chunk) = (Vec::new(), [0; 4_096]);
    loop {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut chunk)? {
            0 => break,
            count => answer.extend_from_slice(&chunk[..count]),
        }
    }
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| ErrorKind::InvalidData.into())
}

/// As in "HTTP/1.0 200 OK".
fn parse(answer: &str) -> Option<Response> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some(Response {
        status: head.split(' ').nth(1)?.parse().ok()?,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(200);

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer =
            parse("HTTP/1.0 503 Service Unavailable\r\nServer: x\r\n\r\n{\"a\": 1}").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (503, "{\"a\": 1}"));
        assert!(parse("HTTP/1.0 200 OK\r\n").is_none());
    }

    #[test]
    fn a_server_that_never_answers_takes_no_longer_than_the_limit() {
        // The kernel accepts for it.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let began = Instant::now();
        let address = listener.local_addr().unwrap();
        assert!(request(address, "GET", "/", "", LIMIT).is_err());
        assert!(began.elapsed() >= LIMIT && began.elapsed() < 10 * LIMIT);
    }
}
