//! The Redis server and its faults.

use std::io::{Read, Write};
use std::net::TcpStream;

use prepnexus_devstack::{Stack, StackConfig};

use crate::support::MOMENT;

#[test]
fn redis_can_be_frozen_killed_and_started() {
    let stack = Stack::start(StackConfig {
        redis: true,
        ..StackConfig::for_tests()
    })
    .unwrap();
    let redis = stack.redis();
    redis.cli(&["SET", "key", "value"]).unwrap();
    assert_eq!(redis.cli(&["GET", "key"]).unwrap(), "value");

    let mut client = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    client.set_read_timeout(Some(MOMENT)).unwrap();
    redis.freeze();
    assert!(redis.is_running());
    client.write_all(b"PING\r\n").unwrap();
    let mut answer = [0; 7];
    assert!(client.read(&mut answer).is_err());
    redis.thaw();
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+PONG\r\n");

    let port = redis.port();
    redis.kill().unwrap();
    assert!(!redis.is_running());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    redis.start().unwrap();
    assert_eq!(
        (redis.port(), redis.cli(&["GET", "key"]).unwrap().as_str()),
        (port, "")
    );

    redis.freeze();
    redis.stop().unwrap();
    assert!(!redis.is_running());
    assert!(redis.cli(&["PING"]).is_err());
}

#[test]
fn redis_keeps_nothing_and_its_errors_are_errors() {
    let stack = Stack::start(StackConfig {
        redis: true,
        ..StackConfig::for_tests()
    })
    .unwrap();
    assert_eq!(
        stack
            .redis()
            .cli(&["CONFIG", "GET", "save"])
            .unwrap()
            .trim_end(),
        "save"
    );
    assert!(stack.redis().cli(&["NO-SUCH-COMMAND"]).is_err());
}
