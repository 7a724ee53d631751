//! Every answer names its request.

use crate::harness::Api;

#[test]
fn a_usable_id_is_echoed_and_stands_in_the_problem() {
    let api = Api::start();
    for target in ["/health/live", "/api/v1/posts/1", "/nowhere"] {
        let call = api.call("GET", target).header("x-request-id", "abc-1.2_3");
        let answer = call.send();
        assert_eq!(answer.header("x-request-id"), Some("abc-1.2_3"));
        if answer.status == 404 {
            assert_eq!(answer.json()["request_id"], "abc-1.2_3");
        }
    }
}

#[test]
fn any_other_id_is_replaced() {
    let api = Api::start();
    let long = "a".repeat(129);
    for sent in ["a b", "a\"b", "<script>", "é", long.as_str()] {
        let answer = api
            .call("GET", "/nowhere")
            .header("x-request-id", sent)
            .send();
        let id = answer.header("x-request-id").unwrap();
        assert!(
            id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
            "{id}"
        );
        assert_eq!(answer.json()["request_id"], id);
    }
    let (one, other) = (api.get("/health/live"), api.get("/health/live"));
    assert_ne!(one.header("x-request-id"), other.header("x-request-id"));
}
