//! Numbers and slugs that name nothing.

use prepnexus_domain::Role;

use crate::harness::Api;

#[test]
fn what_is_no_number_of_a_post_is_not_found() {
    let api = Api::start();
    let key = api.key(Role::Admin);
    for id in [
        "0",
        "-1",
        "1",
        "abc",
        "1.0",
        "1e3",
        "0x1",
        "+1",
        "%201",
        "1%20",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999999999",
        "%00",
        "%FF",
        "1%00",
        "%2F",
        "..",
        "null",
        "%E2%91%A0",
    ] {
        let target = format!("/api/v1/posts/{id}");
        api.get(&target).problem(404, "not_found");
        for method in ["PATCH", "PUT"] {
            let body = serde_json::json!({"title": "A", "content": "b"});
            let call = api.call(method, &target).key(&key).if_match("*");
            call.json(&body).send().problem(404, "not_found");
        }
        let call = api.call("DELETE", &target).key(&key).if_match("*");
        call.send().problem(404, "not_found");
    }
    let longest = "9".repeat(5_000);
    api.get(&format!("/api/v1/posts/{longest}"))
        .problem(404, "not_found");
}

#[test]
fn what_is_no_slug_is_not_found() {
    let api = Api::start();
    let long = "a".repeat(5_000);
    for slug in [
        "a",
        "A",
        "-",
        "a--b",
        "%00",
        "a%00b",
        "%FF",
        "%FF%FE",
        "a%2Fb",
        "%2F",
        "a%20b",
        "%E4%BD%A0",
        "a'b",
        "%",
        "%zz",
        "%25",
        "a;b",
        "..",
        &long,
    ] {
        let target = format!("/api/v1/posts/slug/{slug}");
        api.get(&target).problem(404, "not_found");
    }
}
