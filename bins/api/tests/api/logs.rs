//! What the log says, and what it never says.

use serde_json::Value;

use crate::process::{Served, api, ask, database, password, run};

#[test]
fn json_lines_are_json_and_name_the_request() {
    let db = database();
    let mut command = api(&db);
    command.env("LOG_FORMAT", "json").env("LOG_LEVEL", "debug");
    let served = Served::start(command);
    served.wait_until_ready();
    let request = "GET /api/v1/posts HTTP/1.0\r\nx-request-id: the-request\r\n\r\n";
    assert_eq!(ask(served.port, request).0, 200);
    served.wait_for_line("the-request");
    served.terminate();
    let (_, lines) = served.wait();
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let ours = lines
        .iter()
        .find(|line| line["span"]["id"] == "the-request");
    let ours = ours.unwrap();
    assert_eq!(ours["route"], "/api/v1/posts");
    assert_eq!(ours["status"], 200);
    for name in ["timestamp", "level", "target"] {
        assert!(ours[name].is_string(), "{name}: {ours}");
    }
}

#[test]
fn a_failure_is_one_line_that_names_its_request() {
    let db = database();
    for level in ["warn", "info"] {
        let mut command = api(&db);
        command.env("LOG_FORMAT", "json").env("LOG_LEVEL", level);
        let port = crate::process::free_port();
        command.env("DB_PORT", port.to_string());
        let lines = answered_503(command);
        let of_request = |line: &&Value| line["span"]["id"] == "the-request";
        let failures: Vec<_> = lines.iter().filter(of_request).collect();
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert_eq!(failures[0]["code"], "database_unavailable");
    }
}

/// What a server without a database logs, asked once. At the level warn it doesn't say that it
/// listens.
fn answered_503(command: std::process::Command) -> Vec<Value> {
    let served = Served::start_silently(command);
    let request = "GET /api/v1/posts HTTP/1.0\r\nx-request-id: the-request\r\n\r\n";
    assert_eq!(ask(served.port, request).0, 503);
    served.wait_for_line("the-request");
    served.terminate();
    let (_, lines) = served.wait();
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn no_secret_is_in_any_output_however_much_is_logged() {
    let db = database();
    let config = db.config();
    let made = run(api(&db)
        .args(["keys", "create", "--role", "author", "--name", "A"])
        .env("LOG_LEVEL", "trace"));
    assert_eq!(made.code, 0, "{}", made.stderr);
    let key = made.stdout.trim().to_owned();
    assert!(!made.stderr.contains(password(&config)) && !made.stderr.contains(&key));

    for (format, secret, good) in [
        ("text", password(&config), true),
        ("json", password(&config), true),
        ("text", "an-unmistakable-secret", false),
    ] {
        let mut command = api(&db);
        command
            .env("LOG_LEVEL", "trace")
            .env("LOG_FORMAT", format)
            .env("DB_PASSWORD", secret)
            .env("REDIS_URL", "redis://:a-redis-secret@127.0.0.1:1");
        let served = Served::start(command);
        if good {
            served.wait_until_ready();
        }
        let request = format!(
            "POST /api/v1/posts HTTP/1.0\r\nx-request-id: the-request\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: 27\r\n\r\n{{\"title\":\"A\",\"content\":\"b\"}}"
        );
        let (status, body) = ask(served.port, &request);
        assert_eq!(status, if good { 201 } else { 503 }, "{body}");
        let shown = served.get("/health").1
            + &served.get("/api/monitoring/database/health").1
            + &served.get("/metrics").1
            + &body;
        served.wait_for_line("the-request");
        served.terminate();
        let (_, lines) = served.wait();
        assert!(lines.len() > 5);
        for text in lines.iter().chain([&shown]) {
            for secret in [secret, "a-redis-secret", &key, &key[4..]] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
}
