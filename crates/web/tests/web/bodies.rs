//! Bodies that can't be read.

use std::time::Duration;

use prepnexus_domain::Role;
use prepnexus_web::WebConfig;
use serde_json::json;

use crate::{
    harness::{Api, patient},
    raw::Raw,
};

const GOOD: &str = r#"{"title":"A","content":"b"}"#;

#[test]
fn what_is_not_json_is_said_to_be_so() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let deep = "[".repeat(100_000);
    let deep_object = r#"{"a":"#.repeat(5_000);
    for body in [
        &b""[..],
        b" ",
        b"{",
        br#"{"title":"A","content":"#,
        br#"{"title":"A","content":"b"}}"#,
        br#"{"title":"A","content":"b",}"#,
        br#"{'title':'A'}"#,
        b"NaN",
        br#"{"title":NaN}"#,
        br#"{"title":1e999}"#,
        br#"{"title":"\ud800"}"#,
        br#"{"title":"\x"}"#,
        b"{\"title\":\"a\nb\"}",
        b"{\"title\":\"\xff\xfe\"}",
        b"\xef\xbb\xbf{}",
        b"\x1f\x8b\x08\x00",
        b"title=A&content=b",
        deep.as_bytes(),
        deep_object.as_bytes(),
    ] {
        let call = api.call("POST", "/api/v1/posts").key(&key);
        let call = call.header("content-type", "application/json").bytes(body);
        call.send().problem(400, "bad_json");
    }
}

#[test]
fn only_uncompressed_json_in_utf_8_is_taken() {
    let api = Api::start();
    let key = api.key(Role::Author);
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/json; charset=latin1"),
        Some("application/json; charset=\"utf-16\""),
        Some("application/jsonp"),
        Some("application/merge-patch+json"),
        Some("multipart/form-data; boundary=x"),
        Some(""),
        Some("/"),
        Some(";charset=utf-8"),
    ] {
        let mut call = api.call("POST", "/api/v1/posts").key(&key);
        if let Some(content_type) = content_type {
            call = call.header("content-type", content_type);
        }
        call.bytes(GOOD)
            .send()
            .problem(415, "unsupported_media_type");
    }
    for encoding in ["gzip", "br", "gzip, identity"] {
        let call = api.call("POST", "/api/v1/posts").key(&key);
        let call = call.header("content-type", "application/json");
        let call = call.header("content-encoding", encoding).bytes(GOOD);
        call.send().problem(415, "unsupported_media_type");
    }
    for content_type in [
        "Application/JSON;Charset=\"UTF-8\"",
        "application/json ; a=b",
    ] {
        let call = api.call("POST", "/api/v1/posts").key(&key);
        let call = call.header("content-type", content_type).bytes(GOOD);
        call.send().expect(201);
    }
}

/// The head of a request with a body of JSON.
fn head(key: &str, framing: &str) -> String {
    format!(
        "POST /api/v1/posts HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\n{framing}\r\n\r\n"
    )
}

#[test]
fn a_body_that_says_it_is_too_large_is_refused_before_it_is_sent() {
    let api = Api::start();
    let key = api.key(Role::Author);
    for length in ["2097153", "99999999999", "18446744073709551615"] {
        let mut raw = Raw::connect(&api);
        raw.send(head(&key, &format!("content-length: {length}")));
        let answer = raw.answer(true).unwrap();
        assert_eq!(answer.status, 413, "{length}");
        assert_eq!(answer.json()["code"], "body_too_large");
    }
    api.get("/health/live").expect(200);
}

#[test]
fn a_stream_that_grows_too_large_is_cut_off() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let mut raw = Raw::connect(&api);
    raw.send(head(&key, "transfer-encoding: chunked"));
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    for _ in 0..=32 {
        raw.send(&chunk);
    }
    let answer = raw.answer(true).unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["code"], "body_too_large");
}

#[test]
fn a_body_of_exactly_the_limit_is_read() {
    let api = Api::with(WebConfig {
        body_limit: 100,
        ..patient()
    });
    let key = api.key(Role::Author);
    for (length, status) in [(100, 201), (101, 413)] {
        let body = format!("{GOOD:length$}");
        let call = api.call("POST", "/api/v1/posts").key(&key);
        let call = call.header("content-type", "application/json").bytes(body);
        assert_eq!(call.send().status, status);
    }
}

#[test]
fn a_client_that_sends_a_large_body_all_the_same_hears_why_it_is_refused() {
    let api = Api::start();
    let body = json!({"title": "A", "content": "x".repeat(1_900_000)});
    for _ in 0..5 {
        let refused = api.call("POST", "/api/v1/posts").json(&body).send();
        refused.problem(401, "unauthorized");
    }
    let larger = json!({"title": "A", "content": "x".repeat(3_000_000)});
    let key = api.key(Role::Author);
    let refused = api
        .call("POST", "/api/v1/posts")
        .key(&key)
        .json(&larger)
        .send();
    refused.problem(413, "body_too_large");
}

#[test]
fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let api = Api::with(WebConfig {
        request_timeout: Duration::from_millis(300),
        ..WebConfig::default()
    });
    api.wait_until_healthy();
    let key = api.key(Role::Author);
    let mut raw = Raw::connect(&api);
    raw.send(head(&key, "content-length: 100")).send("{");
    let answer = raw.answer(true).unwrap();
    // A busy machine may have used up the time before the body was waited for.
    assert!([408, 503].contains(&answer.status), "{}", answer.status);
    let codes = [json!("request_timeout"), json!("deadline_exceeded")];
    assert!(codes.contains(&answer.json()["code"]));
}

#[test]
fn a_chunked_body_is_as_good_as_any() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let mut raw = Raw::connect(&api);
    raw.send(head(&key, "transfer-encoding: chunked"));
    raw.send("10\r\n{\"title\":\"A\",\"co\r\n")
        .send("b\r\nntent\":\"b\"}\r\n0\r\n\r\n");
    assert_eq!(raw.answer(true).unwrap().status, 201);
}
