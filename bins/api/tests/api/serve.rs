//! Serving, and ending.

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Command,
};

use crate::process::{Served, api, ask, bare, database, eventually, free_port, run};

#[test]
fn it_says_where_it_listens_and_ends_when_it_is_asked_to() {
    let db = database();
    let served = Served::start(api(&db));
    let line = served.wait_for_address();
    assert!(
        line.contains(&format!("127.0.0.1:{}", served.port)),
        "{line}"
    );
    served.wait_until_ready();
    assert_eq!(served.get("/health").0, 200);
    let idle = served.connect();
    served.terminate();
    let (status, lines) = served.wait();
    assert_eq!(status.code(), Some(0));
    assert!(lines.last().unwrap().contains("stopped"), "{lines:?}");
    drop(idle);
}

#[test]
fn its_allocator_has_few_arenas_unless_somebody_says_how_many() {
    let db = database();
    let arenas = |command| {
        let served = Served::start(command);
        served.wait_until_ready();
        let set = std::fs::read(format!("/proc/{}/environ", served.id())).unwrap();
        let set = String::from_utf8(set).unwrap();
        let of = |line: &str| line.strip_prefix("MALLOC_ARENA_MAX=").map(str::to_owned);
        set.split('\0').find_map(of).unwrap()
    };
    assert_eq!(arenas(api(&db)), "2");
    let mut own = api(&db);
    own.env("MALLOC_ARENA_MAX", "7");
    assert_eq!(arenas(own), "7");
}

#[test]
fn it_takes_as_many_connections_as_the_system_lets_it_and_says_if_those_are_few() {
    let db = database();
    for (hard, said) in [
        ("12000", "limit of open files and connections"),
        ("1200", "connections beyond this are not accepted"),
    ] {
        let served = Served::start(limited(&format!("--nofile=256:{hard}"), &api(&db)));
        let line = served.wait_for_line("max_open_files");
        assert!(line.contains(said) && line.contains(hard), "{line}");
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", served.id())).unwrap();
        let files = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let soft = files.unwrap().split_whitespace().nth(3);
        assert_eq!(soft, Some(hard));
    }
}

/// The command with a limit as `prlimit` takes it.
fn limited(limit: &str, command: &Command) -> Command {
    let mut limited = Command::new("/usr/bin/prlimit");
    let set = command
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    limited.env_clear().envs(set);
    limited.arg(limit).arg(command.get_program());
    limited
}

#[test]
fn a_request_in_flight_is_finished_before_the_end() {
    let db = database();
    let made = run(api(&db).args(["keys", "create", "--role", "author", "--name", "A"]));
    let key = made.stdout.trim();
    let served = Served::start(api(&db));
    served.wait_until_ready();
    let body = r#"{"title":"Kept","content":"What an author wrote."}"#;
    let mut stream = served.connect();
    let head = format!(
        "POST /api/v1/posts HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut said = [0; 12];
    stream.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"HTTP/1.1 100", "the request is being worked on");
    stream.write_all(&body.as_bytes()[..10]).unwrap();
    served.terminate();
    served.wait_for_line("stopping");
    stream.write_all(&body.as_bytes()[10..]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 201"), "{answer}");
    let (status, _) = served.wait();
    assert_eq!(status.code(), Some(0));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let titles = runtime.block_on(db.psql("SELECT title FROM posts"));
    assert_eq!(titles, "Kept");
}

#[test]
fn a_stop_is_announced_before_it_happens_and_a_second_signal_is_in_a_hurry() {
    let db = database();
    let mut command = api(&db);
    command.env("SHUTDOWN_DRAIN", "1h");
    let served = Served::start(command);
    served.wait_until_ready();
    served.terminate();
    served.wait_for_line("stopping");
    assert_eq!(served.get("/health/ready").0, 503);
    for path in ["/health/live", "/health", "/api/v1/posts"] {
        assert_eq!(served.get(path).0, 200, "{path}");
    }
    served.terminate();
    let (status, _) = served.wait();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_one_line_and_exit_code_1() {
    let db = database();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for variable in ["API_PORT", "ADMIN_PORT"] {
        let mut command = api(&db);
        command.env("API_PORT", free_port().to_string());
        let ran = run(command.env(variable, port.to_string()));
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        let said = format!("can't listen on 127.0.0.1:{port}: Address already in use");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    }
}

#[test]
fn an_admin_port_takes_metrics_and_monitoring_away() {
    let db = database();
    let admin = free_port();
    let mut command = api(&db);
    command.env("ADMIN_PORT", admin.to_string());
    let served = Served::start(command);
    served.wait_until_ready();
    let line = served.wait_for_address();
    assert!(line.contains(&format!("127.0.0.1:{admin}")), "{line}");
    let ask_admin = |path: &str| ask(admin, &format!("GET {path} HTTP/1.0\r\n\r\n")).0;
    for path in ["/metrics", "/api/monitoring/database/health"] {
        assert_eq!(served.get(path).0, 404, "{path}");
        eventually(path, || ask_admin(path) == 200);
    }
    for path in ["/api/v1/posts", "/health", "/docs"] {
        assert_eq!(served.get(path).0, 200, "{path}");
        assert_eq!(ask_admin(path), 404, "{path}");
    }
}

#[test]
fn several_of_them_are_one_service() {
    let db = database();
    let (one, other) = (Served::start(api(&db)), Served::start(api(&db)));
    one.wait_until_ready();
    other.wait_until_ready();
    let made = run(api(&db).args(["keys", "create", "--role", "author", "--name", "A"]));
    let body = r#"{"title":"A","content":"b","status":"published"}"#;
    let key = made.stdout.trim();
    for _ in 0..2 {
        let request = format!(
            "POST /api/v1/posts HTTP/1.0\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(ask(one.port, &request).0, 201);
    }
    // A cursor of one is good for the other.
    let (_, page) = one.get("/api/v1/posts?limit=1");
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    let cursor = page["page"]["next_cursor"].as_str().unwrap();
    let (status, page) = other.get(&format!("/api/v1/posts?limit=1&cursor={cursor}"));
    assert_eq!(status, 200, "{page}");
}

#[test]
fn healthcheck_exits_0_while_it_is_ready_and_1_otherwise() {
    let db = database();
    let check = |port: u16| {
        let ran = run(bare().arg("healthcheck").env("API_PORT", port.to_string()));
        assert_eq!(ran.stdout, "");
        assert!(
            ran.code == 0 || ran.stderr.lines().count() == 1,
            "{}",
            ran.stderr
        );
        ran.code
    };
    assert_eq!(check(free_port()), 1, "nothing listens");
    let served = Served::start(api(&db));
    served.wait_until_ready();
    assert_eq!(check(served.port), 0);
    let any = run(bare()
        .args(["healthcheck", "--api-host", "0.0.0.0"])
        .env("API_PORT", served.port.to_string()));
    assert_eq!(any.code, 0, "{}", any.stderr);
    let mut away = api(&db);
    away.env("DB_PORT", free_port().to_string());
    let away = Served::start(away);
    assert_eq!(check(away.port), 1, "it answers, and has no database");
    assert_eq!(away.get("/health/live").0, 200);
}
