//! Who is told, outside: alerts, errors, traces.

use std::{fs, net::TcpListener};

use prepnexus_content::Condition;
use prepnexus_devstack::Proxy;
use prepnexus_testkit::stack;
use serde_json::Value;

use crate::{
    process::{Served, api, ask, bare, database, eventually, free_port, run},
    prometheus::repository,
    receiver::{Post, Receiver},
};

#[test]
fn a_lost_primary_is_told_once_and_so_is_its_return() {
    let (db, receiver) = (database(), Receiver::start());
    let proxy = Proxy::start(stack().primary().addr()).unwrap();
    let mut command = api(&db);
    command
        .env("DB_HOST", "127.0.0.1")
        .env("DB_PORT", proxy.addr().port().to_string())
        .env("DB_PROBE_TIMEOUT", "1s")
        .env("ALERT_WEBHOOK_URL", receiver.url("/hook?key=hidden"));
    let served = Served::start(command);
    served.wait_until_ready();
    proxy.cut();
    let fired = receiver.wait_for("firing", |post| post.tells("PrepnexusNoPrimary", "firing"));
    assert!(
        fired.head.starts_with("post /hook?key=hidden "),
        "{}",
        fired.head
    );
    assert!(fired.head.contains("content-type: application/json"));
    let fired = fired.json();
    let alert = &fired["alerts"][0];
    assert_eq!(alert["labels"]["severity"], "page");
    assert_eq!(
        alert["annotations"]["runbook"],
        "docs/RUNBOOK.md#prepnexusnoprimary"
    );
    // The receiver goes away, and is told what it missed.
    receiver.answer(503);
    proxy.restore();
    receiver.wait_for("a try", |post| post.json()["status"] == "resolved");
    let before = receiver.posts().len();
    served.wait_for_line("the receiver of alerts can't be told");
    receiver.answer(200);
    served.wait_for_line("the receiver of alerts takes them again");
    eventually("all is told", || {
        let names = ["PrepnexusNoPrimary", "PrepnexusNodeAway"];
        let again = receiver.posts().split_off(before);
        let told = |name| again.iter().any(|post| post.tells(name, "resolved"));
        names.into_iter().all(told)
    });
    let resolved = receiver.posts().into_iter().map(|post| post.json());
    let resolved = resolved.filter(|sent| sent["alerts"][0]["fingerprint"] == alert["fingerprint"]);
    for sent in resolved.filter(|sent| sent["status"] == "resolved") {
        assert_eq!(sent["alerts"][0]["startsAt"], alert["startsAt"]);
    }
    let posts = receiver.posts();
    let fired = posts
        .iter()
        .filter(|post| post.tells("PrepnexusNoPrimary", "firing"));
    assert_eq!(fired.count(), 1, "it was told once");
    served.terminate();
    let (status, lines) = served.wait();
    assert!(status.success());
    assert!(
        !lines.join("\n").contains("hidden"),
        "the address is a secret"
    );
}

#[test]
fn a_receiver_that_never_answers_delays_nobody() {
    let db = database();
    // Connections are accepted by the system, and nothing is ever read.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut command = api(&db);
    command
        .env("DB_PORT", free_port().to_string())
        .env("ALERT_WEBHOOK_URL", &url)
        .env("SENTRY_DSN", url.replace("//", "//key@") + "/1")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    let served = Served::start(command);
    assert_eq!(served.get("/api/v1/posts").0, 503);
    let connected = silent.accept().unwrap();
    assert_eq!(served.get("/health/live").0, 200);
    served.terminate();
    let (status, _) = served.wait();
    assert!(status.success());
    drop(connected);
}

#[test]
fn what_a_process_sees_by_itself_is_named_as_in_the_rules() {
    let rules = fs::read_to_string(repository("deploy/prometheus/rules/alerts.yml")).unwrap();
    for condition in Condition::ALL {
        let start = format!("- alert: {}\n", condition.name());
        let rule = rules.split(&start).nth(1).unwrap();
        let severity = rule.split("severity: ").nth(1).unwrap();
        let severity = severity.lines().next().unwrap();
        assert_eq!(
            severity,
            condition.urgency().as_str(),
            "{}",
            condition.name()
        );
    }
}

#[test]
fn errors_are_reported_without_what_a_person_wrote() {
    let (db, receiver) = (database(), Receiver::start());
    let mut command = api(&db);
    command
        .env("DB_PORT", free_port().to_string())
        .env("SENTRY_DSN", receiver.dsn())
        .env("SENTRY_ENVIRONMENT", "trial");
    let served = Served::start(command);
    let request = "GET /api/v1/posts?q=private HTTP/1.0\r\nx-request-id: the-request\r\n\r\n";
    for _ in 0..3 {
        assert_eq!(ask(served.port, request).0, 503);
    }
    let post = receiver.wait_for("a report", |post| {
        post.head.starts_with("post /api/42/envelope/ ")
    });
    assert!(post.head.contains("sentry_key=the-key"), "{}", post.head);
    let text = String::from_utf8(post.body).unwrap();
    assert!(!text.contains("private"), "{text}");
    // Header of the envelope, header of the item, the event.
    let event: Value = serde_json::from_str(text.lines().nth(2).unwrap()).unwrap();
    assert_eq!(event["tags"]["code"], "database_unavailable");
    assert_eq!(event["tags"]["request_id"], "the-request");
    assert_eq!(event["environment"], "trial");
    assert_eq!(event["fingerprint"][0], "database_unavailable");
    assert!(event["extra"]["count"].as_u64() >= Some(1), "{event}");
}

#[test]
fn a_trace_is_passed_on() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (db, receiver) = (database(), Receiver::start());
    let mut command = api(&db);
    command
        .env("LOG_FORMAT", "json")
        .env("LOG_LEVEL", "debug")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url("/collector"))
        .env("OTEL_SERVICE_NAME", "the-service")
        .env("OTEL_TRACES_SAMPLER_ARG", "0");
    let served = Served::start(command);
    served.wait_until_ready();
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let asked = format!(
        "GET /api/v1/posts HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntraceparent: {parent}\r\n\r\n"
    );
    let agent = ureq::Agent::new_with_defaults();
    let answer = agent
        .get(format!("http://127.0.0.1:{}/api/v1/tags", served.port))
        .header("traceparent", &parent)
        .call()
        .unwrap();
    let own = answer.headers()["traceresponse"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        own.starts_with(&format!("00-{TRACE}-")) && own.ends_with("-01"),
        "{own}"
    );
    assert_eq!(ask(served.port, &asked).0, 200);
    let line = served.wait_for_line(TRACE);
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["span"]["trace"], TRACE);
    served.terminate();
    let (status, _) = served.wait();
    assert!(status.success());
    // What was not sent before is sent at the end.
    let bytes = |hex: &str| -> Vec<u8> {
        let pairs = (0..hex.len()).step_by(2);
        pairs
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    };
    let has = |post: &Post, part: &[u8]| post.body.windows(part.len()).any(|bytes| bytes == part);
    let post = receiver.wait_for("a trace", |post| has(post, &bytes(TRACE)));
    assert!(
        post.head.starts_with("post /collector/v1/traces "),
        "{}",
        post.head
    );
    assert!(post.head.contains("content-type: application/x-protobuf"));
    let posts = receiver.posts();
    for part in [
        &b"the-service"[..],
        b"GET /api/v1/posts",
        b"tags.list",
        &bytes("00f067aa0ba902b7"),
        &bytes(own.split('-').nth(2).unwrap()),
    ] {
        let found = posts.iter().any(|post| has(post, part));
        assert!(found, "{} is in no post", String::from_utf8_lossy(part));
    }
    // The share is 0, and nobody asked for this one.
    assert!(!posts.iter().any(|post| has(post, b"/health/ready")));
}

#[test]
fn an_address_that_cannot_be_used_is_named_and_not_shown() {
    for (variable, value, expected) in [
        (
            "ALERT_WEBHOOK_URL",
            "hooks.example/secret",
            "expected a URL that begins with http:// or https://",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "grpc://secret",
            "expected a URL that begins with http:// or https://",
        ),
        (
            "SENTRY_DSN",
            "https://secret.example/1",
            "expected https://<key>@<host>/<project>",
        ),
    ] {
        let mut command = bare();
        command.env(variable, value).env("DB_PASSWORD", "x");
        let ran = run(&mut command);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(
            ran.stderr.contains(variable) && ran.stderr.contains(expected),
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}
