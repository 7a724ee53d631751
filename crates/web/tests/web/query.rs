//! Parameters that break the rules.

use crate::harness::Api;

#[test]
fn every_bad_parameter_is_named_at_once() {
    let api = Api::start();
    let query = "limit=0&sort=name&tag=A%20B&author=-&fields=x&include_total=yes&cursor=x&colour=red&colour=red&q=%00";
    let pointers = api.get(&format!("/api/v1/posts?{query}")).pointers();
    let mut expected = [
        "/author",
        "/colour",
        "/colour",
        "/fields",
        "/include_total",
        "/limit",
        "/q",
        "/sort",
        "/tag",
    ];
    expected.sort_unstable();
    assert_eq!(pointers, expected);
}

#[test]
fn values_outside_the_documented_bounds_are_refused() {
    let api = Api::start();
    let long = format!("q={}", "x".repeat(201));
    let slug = format!("tag={}", "x".repeat(121));
    for (query, pointer) in [
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=1.5", "/limit"),
        ("limit=1e1", "/limit"),
        ("limit=%2B5", "/limit"),
        ("limit=99999999999999999999", "/limit"),
        ("limit=", "/limit"),
        ("limit", "/limit"),
        ("limit=1&limit=1", "/limit"),
        ("sort=", "/sort"),
        ("sort=TITLE", "/sort"),
        ("include_total=1", "/include_total"),
        ("include_total=True", "/include_total"),
        ("include_total=", "/include_total"),
        ("tag=", "/tag"),
        ("tag=SQL", "/tag"),
        ("author=a%2Fb", "/author"),
        ("fields=", "/fields"),
        ("fields=id,,title", "/fields"),
        ("q=a%00b", "/q"),
        ("Limit=5", "/Limit"),
        ("a%2Fb~=1", "/a~1b~0"),
        (&long, "/q"),
        (&slug, "/tag"),
    ] {
        let pointers = api.get(&format!("/api/v1/posts?{query}")).pointers();
        assert_eq!(pointers, [pointer], "{query}");
    }
    let longest = format!("q={}", "%C3%A9".repeat(200));
    api.get(&format!("/api/v1/posts?{longest}")).expect(200);
}

#[test]
fn lists_without_parameters_take_none() {
    let api = Api::start();
    for target in ["/api/v1/tags", "/api/v1/authors"] {
        let pointers = api.get(&format!("{target}?limit=5")).pointers();
        assert_eq!(pointers, ["/limit"]);
    }
}

#[test]
fn odd_encodings_never_break_the_server() {
    let api = Api::start();
    for query in [
        "q=%",
        "q=%zz",
        "q=%FF%FE",
        "q=%C3",
        "%",
        "%FF=1",
        "=",
        "=x",
        "&=&",
        "?",
        "q=a+b%2B",
        "q[]=1",
        "q=%E2%80%AE%F0%9F%98%80",
        "q=%ED%A0%80",
        "tag=%00",
        "cursor=%00",
        "%00=%00",
    ] {
        let status = api.get(&format!("/api/v1/posts?{query}")).status;
        assert!([200, 400, 422].contains(&status), "{query}: {status}");
    }
}

#[test]
fn a_thousand_bad_parameters_are_not_answered_at_length() {
    let api = Api::start();
    let query: Vec<String> = (0..2_000).map(|n| format!("a{n}")).collect();
    let answer = api.get(&format!("/api/v1/posts?{}", query.join("&")));
    assert!(answer.body.len() < 30_000, "{}", answer.body.len());
    assert_eq!(answer.pointers().len(), 100);
}
