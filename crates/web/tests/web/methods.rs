//! Which paths and methods there are.

use crate::harness::Api;

const PATHS: [(&str, &str); 15] = [
    ("/health", "GET, HEAD"),
    ("/health/live", "GET, HEAD"),
    ("/health/ready", "GET, HEAD"),
    ("/metrics", "GET, HEAD"),
    ("/api/monitoring/database/health", "GET, HEAD"),
    ("/docs", "GET, HEAD"),
    ("/api/openapi.json", "GET, HEAD"),
    ("/api/v1/posts", "GET, HEAD, POST"),
    ("/api/v1/posts/1", "GET, HEAD, PATCH, PUT, DELETE"),
    ("/api/v1/posts/1/revisions", "GET, HEAD"),
    ("/api/v1/posts/1/revisions/1", "GET, HEAD"),
    ("/api/v1/posts/1/revisions/1/restore", "POST"),
    ("/api/v1/posts/slug/a", "GET, HEAD"),
    ("/api/v1/tags", "GET, HEAD"),
    ("/api/v1/authors", "GET, HEAD"),
];

#[test]
fn a_method_that_a_path_does_not_know_is_refused_with_those_it_knows() {
    let api = Api::start();
    let all = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
    ];
    for (path, allow) in PATHS {
        let known: Vec<&str> = allow.split(", ").collect();
        for method in all.iter().filter(|method| !known.contains(method)) {
            let refused = api.call(method, path).send().expect(405);
            assert_eq!(refused.header("allow"), Some(allow), "{method} {path}");
            if *method != "HEAD" {
                refused.problem(405, "method_not_allowed");
            }
        }
    }
}

#[test]
fn head_answers_as_get_without_the_body() {
    let api = Api::start();
    api.wait_until_healthy();
    for (path, _) in PATHS.iter().filter(|(path, _)| !path.ends_with(['1', 'a'])) {
        let (get, head) = (api.get(path), api.call("HEAD", path).send());
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty());
        for name in ["content-type", "etag", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    let missing = api.call("HEAD", "/api/v1/posts/1").send().expect(404);
    assert!(missing.body.is_empty());
}

#[test]
fn an_unknown_path_is_not_found_whatever_the_method() {
    let api = Api::start();
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/posts/",
        "/api/v1/posts/1/",
        "/api/v1/posts/slug/a/b",
        "/api/v1/post",
        "/API/V1/POSTS",
        "//api/v1/posts",
        "/health/",
        "/api/v2/posts",
        "/%2e%2e/%2e%2e/etc/passwd",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = api.call(method, path).send();
            answer.problem(404, "not_found");
        }
    }
}
