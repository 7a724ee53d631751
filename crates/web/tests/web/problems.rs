//! One document for each code that a client can bring about.

use prepnexus_domain::Role;
use serde_json::json;

use crate::{client::Call, harness::Api};

/// The problem that the call is answered with, one member a line.
fn document(call: Call<'_>) -> String {
    format!(
        "{:#}",
        call.header("x-request-id", "the-request").send().json()
    )
}

#[test]
fn what_can_not_be_found_or_asked_for() {
    let api = Api::start();
    insta::assert_snapshot!(document(api.call("GET", "/nowhere")), @r#"
    {
      "code": "not_found",
      "detail": "There is nothing at this path.",
      "request_id": "the-request",
      "status": 404,
      "title": "There is nothing here",
      "type": "urn:prepnexus:problem:not_found"
    }
    "#);
    insta::assert_snapshot!(document(api.call("GET", "/api/v1/posts/x")), @r#"
    {
      "code": "not_found",
      "detail": "There is no such post: the id must be a whole number from 1 to 9223372036854775807.",
      "errors": [
        {
          "detail": "must be a whole number from 1 to 9223372036854775807",
          "pointer": "/id"
        }
      ],
      "request_id": "the-request",
      "status": 404,
      "title": "There is nothing here",
      "type": "urn:prepnexus:problem:not_found"
    }
    "#);
    insta::assert_snapshot!(document(api.call("GET", "/api/v1/posts/7")), @r#"
    {
      "code": "not_found",
      "detail": "There is nothing at this address that you may see.",
      "request_id": "the-request",
      "status": 404,
      "title": "There is nothing here",
      "type": "urn:prepnexus:problem:not_found"
    }
    "#);
    insta::assert_snapshot!(document(api.call("POST", "/api/v1/tags")), @r#"
    {
      "code": "method_not_allowed",
      "detail": "This path knows GET, HEAD.",
      "request_id": "the-request",
      "status": 405,
      "title": "The method is not allowed here",
      "type": "urn:prepnexus:problem:method_not_allowed"
    }
    "#);
    insta::assert_snapshot!(document(api.call("GET", "/api/v1/posts?limit=0")), @r#"
    {
      "code": "invalid_fields",
      "detail": "/limit must be a whole number from 1 to 100.",
      "errors": [
        {
          "detail": "must be a whole number from 1 to 100",
          "pointer": "/limit"
        }
      ],
      "request_id": "the-request",
      "status": 422,
      "title": "Some fields are not valid",
      "type": "urn:prepnexus:problem:invalid_fields"
    }
    "#);
}

#[test]
fn who_may_not() {
    let api = Api::start();
    let body = json!({"title": "A", "content": "b"});
    let create = || api.call("POST", "/api/v1/posts").json(&body);
    insta::assert_snapshot!(document(create()), @r#"
    {
      "code": "unauthorized",
      "detail": "Send a key: Authorization: Bearer <key>.",
      "request_id": "the-request",
      "status": 401,
      "title": "A valid key is needed",
      "type": "urn:prepnexus:problem:unauthorized"
    }
    "#);
    insta::assert_snapshot!(document(create().key("pnx_unknown")), @r#"
    {
      "code": "unauthorized",
      "detail": "The key is unknown or was revoked.",
      "request_id": "the-request",
      "status": 401,
      "title": "A valid key is needed",
      "type": "urn:prepnexus:problem:unauthorized"
    }
    "#);
    insta::assert_snapshot!(document(create().key(&api.key(Role::Reader))), @r#"
    {
      "code": "forbidden",
      "detail": "The role of the key does not allow this.",
      "request_id": "the-request",
      "status": 403,
      "title": "The key does not allow this",
      "type": "urn:prepnexus:problem:forbidden"
    }
    "#);
}

#[test]
fn what_a_body_can_not_be() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let create = |content_type: &str, body: &str| {
        let call = api.call("POST", "/api/v1/posts").key(&key);
        call.header("content-type", content_type).bytes(body)
    };
    insta::assert_snapshot!(document(create("text/plain", "{}")), @r#"
    {
      "code": "unsupported_media_type",
      "detail": "Content-Type must be application/json.",
      "request_id": "the-request",
      "status": 415,
      "title": "The media type is not supported",
      "type": "urn:prepnexus:problem:unsupported_media_type"
    }
    "#);
    insta::assert_snapshot!(document(create("application/json", "{")), @r#"
    {
      "code": "bad_json",
      "detail": "The body is not JSON: EOF while parsing an object at line 1 column 1.",
      "request_id": "the-request",
      "status": 400,
      "title": "The body is not JSON",
      "type": "urn:prepnexus:problem:bad_json"
    }
    "#);
    insta::assert_snapshot!(document(create("application/json", &" ".repeat(2_097_153))), @r#"
    {
      "code": "body_too_large",
      "detail": "The body may have at most 2097152 bytes.",
      "request_id": "the-request",
      "status": 413,
      "title": "The body is too large",
      "type": "urn:prepnexus:problem:body_too_large"
    }
    "#);
    insta::assert_snapshot!(document(create("application/json", r#"{"title":1,"tags":["a",2]}"#)), @r#"
    {
      "code": "invalid_fields",
      "detail": "3 fields are not valid.",
      "errors": [
        {
          "detail": "must be a string",
          "pointer": "/tags/1"
        },
        {
          "detail": "must be a string",
          "pointer": "/title"
        },
        {
          "detail": "is required",
          "pointer": "/content"
        }
      ],
      "request_id": "the-request",
      "status": 422,
      "title": "Some fields are not valid",
      "type": "urn:prepnexus:problem:invalid_fields"
    }
    "#);
}

#[test]
fn what_conflicts() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let body = json!({"title": "A", "content": "b", "slug": "taken"});
    let create = || api.call("POST", "/api/v1/posts").key(&key).json(&body);
    let id = create().header("idempotency-key", "one").send().json()["id"].clone();
    insta::assert_snapshot!(document(create()), @r#"
    {
      "code": "slug_taken",
      "detail": "Another post has, or had, the slug taken.",
      "request_id": "the-request",
      "status": 409,
      "title": "The slug is taken",
      "type": "urn:prepnexus:problem:slug_taken"
    }
    "#);
    let reused = api
        .call("POST", "/api/v1/posts")
        .key(&key)
        .header("idempotency-key", "one");
    insta::assert_snapshot!(document(reused.json(&json!({"title": "B", "content": "b"}))), @r#"
    {
      "code": "idempotency_key_reused",
      "detail": "This Idempotency-Key was sent with another body. Use a new one for a new request.",
      "request_id": "the-request",
      "status": 422,
      "title": "The idempotency key was used for another request",
      "type": "urn:prepnexus:problem:idempotency_key_reused"
    }
    "#);
    let named = api
        .call("POST", "/api/v1/posts")
        .key(&key)
        .header("idempotency-key", "");
    insta::assert_snapshot!(document(named.json(&body)), @r#"
    {
      "code": "bad_request",
      "detail": "Idempotency-Key must be one header of 1 to 255 visible ASCII characters.",
      "request_id": "the-request",
      "status": 400,
      "title": "The request can't be understood",
      "type": "urn:prepnexus:problem:bad_request"
    }
    "#);
    let delete = || api.call("DELETE", &format!("/api/v1/posts/{id}")).key(&key);
    insta::assert_snapshot!(document(delete()), @r#"
    {
      "code": "precondition_required",
      "detail": "Send If-Match with the ETag of the post as you last read it.",
      "request_id": "the-request",
      "status": 428,
      "title": "If-Match is required",
      "type": "urn:prepnexus:problem:precondition_required"
    }
    "#);
    insta::assert_snapshot!(document(delete().if_match("\"9-0\"")), @r#"
    {
      "code": "revision_mismatch",
      "detail": "The post is at revision 1. Read it again before you change it.",
      "request_id": "the-request",
      "status": 412,
      "title": "The post has changed",
      "type": "urn:prepnexus:problem:revision_mismatch"
    }
    "#);
}
