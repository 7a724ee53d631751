//! What no client should send. After each of them the server still answers.

use std::time::Duration;

use prepnexus_domain::Role;
use prepnexus_web::WebConfig;

use crate::{
    harness::Api,
    raw::{Raw, exchange},
};

#[track_caller]
fn still_answers(api: &Api) {
    api.get("/health/live").expect(200);
}

#[track_caller]
fn made_nothing(api: &Api) {
    let posts = crate::harness::block_on(api.db().psql("SELECT count(*) FROM posts"));
    assert_eq!(posts, "0");
}

#[test]
fn what_is_no_http_is_answered_400_and_closed() {
    let api = Api::start();
    for bytes in [
        &b"nonsense\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: a\x00b\r\n\r\n",
        b"G\xffT / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /api/v1/posts HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
        b"POST /api/v1/posts HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /api/v1/posts HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST /api/v1/posts HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut raw = Raw::connect(&api);
        let answer = raw.send(bytes).answer(true);
        let shown = String::from_utf8_lossy(bytes);
        let answer = answer.unwrap_or_else(|| panic!("{shown}: no answer"));
        assert_eq!(answer.status, 400, "{shown}: {}", answer.head);
        assert!(raw.is_closed(), "{shown}");
        still_answers(&api);
    }
}

#[test]
fn a_request_without_a_host_is_refused_and_one_of_http_1_0_needs_none() {
    let api = Api::start();
    let status = |request: &str| exchange(&api, request).unwrap().status;
    assert_eq!(status("GET /health/live HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(
        status("GET /health/live HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
        400
    );
    let mut raw = Raw::connect(&api);
    let answer = raw
        .send("GET /health/live HTTP/1.0\r\n\r\n")
        .answer(true)
        .unwrap();
    assert_eq!(answer.status, 200);
    assert!(raw.is_closed(), "HTTP/1.0 keeps nothing open");
    still_answers(&api);
}

#[test]
fn very_large_heads_are_refused() {
    let api = Api::start();
    let header = format!(
        "GET /health/live HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    let many = "x: y\r\n".repeat(20_000);
    let many = format!("GET /health/live HTTP/1.1\r\nhost: a\r\n{many}\r\n");
    let path = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(1 << 20));
    for request in [header, many, path] {
        let answer = exchange(&api, &request).expect("an answer");
        assert!(
            (400..500).contains(&answer.status),
            "{:.20}: {}",
            request,
            answer.head
        );
        still_answers(&api);
    }
}

#[test]
fn headers_that_come_too_slowly_are_given_up() {
    let api = Api::with(WebConfig {
        header_timeout: Duration::from_secs(2),
        ..WebConfig::default()
    });
    let mut raw = Raw::connect(&api);
    let answer = raw.send("GET /health/live HTTP/1.1\r\nhost:").answer(true);
    assert_eq!(answer.unwrap().status, 408);
    assert!(raw.is_closed());
    still_answers(&api);
}

#[test]
fn a_body_that_ends_early_changes_nothing() {
    let api = Api::start();
    let key = api.key(Role::Author);
    for framing in ["content-length: 100", "transfer-encoding: chunked"] {
        let mut raw = Raw::connect(&api);
        raw.send(format!(
            "POST /api/v1/posts HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\n{framing}\r\n\r\n1b\r\n{{\"title\":\"A\","
        ));
        let answer = raw.finish_sending().answer(true);
        if let Some(answer) = answer {
            assert_eq!(answer.status, 400, "{framing}: {}", answer.head);
        }
        still_answers(&api);
    }
    made_nothing(&api);
}

#[test]
fn a_chunk_that_is_none_ends_the_connection_and_changes_nothing() {
    let api = Api::start();
    let key = api.key(Role::Author);
    for chunk in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}xx",
        "fffffffffffffffff\r\n",
    ] {
        let answer = exchange(
            &api,
            format!(
                "POST /api/v1/posts HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n\
                 content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{chunk}"
            ),
        );
        // The HTTP library closes the connection, which is all one can rely on.
        assert!(answer.is_none_or(|answer| answer.status == 400), "{chunk}");
        still_answers(&api);
    }
    made_nothing(&api);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let api = Api::start();
    let mut raw = Raw::connect(&api);
    raw.send(
        "GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n\
         HEAD /api/v1/tags HTTP/1.1\r\nhost: a\r\n\r\n\
         DELETE /health HTTP/1.1\r\nhost: a\r\n\r\n\
         POST /api/v1/posts HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}\
         GET /nowhere HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    );
    for (has_body, status) in [
        (true, 200),
        (false, 200),
        (true, 405),
        (true, 401),
        (true, 404),
    ] {
        let answer = raw.answer(has_body).expect("an answer to each");
        assert_eq!(answer.status, status, "{}", answer.head);
    }
    assert!(raw.is_closed());
}

#[test]
fn odd_targets_and_methods_are_answered() {
    let api = Api::start();
    for (line, status) in [
        ("OPTIONS * HTTP/1.1", 404),
        ("GET http://other.example/health/live HTTP/1.1", 200),
        ("CONNECT a:443 HTTP/1.1", 404),
        ("brew /health/live HTTP/1.1", 405),
        ("GET /health/live?a=%00%FF HTTP/1.1", 200),
        ("GET /health/live#part HTTP/1.1", 200),
        ("GET /%00 HTTP/1.1", 404),
        ("GET /api/v1/posts/slug/%FF HTTP/1.1", 404),
    ] {
        let answer = exchange(&api, format!("{line}\r\nhost: a\r\n\r\n")).expect(line);
        assert_eq!(answer.status, status, "{line}: {}", answer.head);
        still_answers(&api);
    }
}

#[test]
fn a_key_that_is_no_text_is_refused() {
    let api = Api::start();
    let request = b"GET /api/v1/tags HTTP/1.1\r\nhost: a\r\nauthorization: Bearer \xe9\r\n\r\n";
    let answer = exchange(&api, request).unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["code"], "unauthorized");
}
