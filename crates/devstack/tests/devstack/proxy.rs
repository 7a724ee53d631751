//! The pretended network.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use prepnexus_devstack::{Error, Proxy};

use crate::support::{MOMENT, eventually, stack};

/// A server that sends back what it gets; it lives as long as the test process.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.addr()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream
}

fn ask(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes())?;
    answer(stream, text.len())
}

fn answer(stream: &mut TcpStream, length: usize) -> std::io::Result<String> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(String::from_utf8(bytes).unwrap())
}

#[test]
fn a_cut_holds_back_and_restoring_delivers() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut old = connect(&proxy);
    assert_eq!(ask(&mut old, "one").unwrap(), "one");
    proxy.cut();
    old.set_read_timeout(Some(MOMENT)).unwrap();
    assert_eq!(
        ask(&mut old, "two").unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    let mut new = connect(&proxy);
    new.set_read_timeout(Some(MOMENT)).unwrap();
    assert_eq!(
        ask(&mut new, "three").unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    proxy.restore();
    assert_eq!(answer(&mut old, 3).unwrap(), "two");
    assert_eq!(answer(&mut new, 5).unwrap(), "three");
    assert_eq!(proxy.connections(), 2);
}

#[test]
fn refusing_closes_what_is_open_until_restored() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut old = connect(&proxy);
    ask(&mut old, "one").unwrap();
    proxy.refuse();
    assert!(ask(&mut old, "two").is_err());
    assert_eq!(proxy.connections(), 0);
    let refused = TcpStream::connect(proxy.addr()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    proxy.restore();
    assert_eq!(ask(&mut connect(&proxy), "three").unwrap(), "three");
}

#[test]
fn a_delay_adds_to_latency_and_not_to_throughput() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    ask(&mut stream, "warm").unwrap();
    proxy.set_delay(Duration::from_millis(100));
    let began = Instant::now();
    ask(&mut stream, "late").unwrap();
    assert!(
        began.elapsed() >= Duration::from_millis(200),
        "{:?}",
        began.elapsed()
    );
    // 32 pieces, each of which would cost 200 ms if they waited one after the other.
    let long = "x".repeat(512 * 1024);
    let began = Instant::now();
    ask(&mut stream, &long).unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    proxy.set_delay(Duration::ZERO);
    let fastest = (0..20).map(|_| {
        let began = Instant::now();
        ask(&mut stream, "soon").unwrap();
        began.elapsed()
    });
    assert!(fastest.min().unwrap() < Duration::from_millis(50));
}

#[test]
fn a_rate_slows_down() {
    let proxy = Proxy::start(echo()).unwrap();
    proxy.set_rate(100_000);
    let mut stream = connect(&proxy);
    let began = Instant::now();
    ask(&mut stream, &"x".repeat(50_000)).unwrap();
    assert!(
        began.elapsed() >= Duration::from_millis(400),
        "{:?}",
        began.elapsed()
    );
    proxy.set_rate(0);
    assert_eq!(ask(&mut stream, "fast").unwrap(), "fast");
}

#[test]
fn ends_of_connections_are_passed_on_in_both_directions() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(upstream.local_addr().unwrap()).unwrap();
    let mut client = connect(&proxy);
    let (mut server, _) = upstream.accept().unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
    server.write_all(b"bye").unwrap();
    drop(server);
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "bye");
    eventually("the connection leaving the list", || {
        proxy.connections() == 0
    });

    drop(upstream);
    let mut nobody = connect(&proxy);
    assert!(matches!(nobody.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn a_database_is_reached_through_it() {
    let stack = stack(0);
    let proxy = Proxy::start(stack.primary().addr()).unwrap();
    let address = format!(
        "host=127.0.0.1 port={} user=postgres dbname=postgres",
        proxy.addr().port()
    );
    let question = format!("\\connect '{address}'\nSELECT inet_client_addr() IS NOT NULL");
    assert_eq!(stack.primary().psql(&question).unwrap(), "t");
    proxy.cut();
    let asked = stack.primary().psql_within(MOMENT, "postgres", &question);
    assert!(matches!(asked, Err(Error::Timeout { .. })), "{asked:?}");
}

#[test]
fn dropping_it_closes_everything_even_when_cut() {
    let proxy = Proxy::start(echo()).unwrap();
    let address = proxy.addr();
    let mut stream = connect(&proxy);
    ask(&mut stream, "one").unwrap();
    proxy.cut();
    let mut hanging = connect(&proxy);
    drop(proxy);
    for stream in [&mut stream, &mut hanging] {
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    }
    assert!(TcpStream::connect(address).is_err());
}
