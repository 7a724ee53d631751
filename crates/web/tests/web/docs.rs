//! The OpenAPI document, and the page that shows it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{document::DOCUMENT, harness::Api};

/// Every method that the document or the router may know.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

#[test]
fn the_document_is_openapi_3_1_and_is_served_with_a_validator() {
    let api = Api::start();
    let answer = api.get("/api/openapi.json").expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json(), *DOCUMENT);
    assert!(
        answer.json()["openapi"]
            .as_str()
            .unwrap()
            .starts_with("3.1")
    );
    let again = api
        .call("GET", "/api/openapi.json")
        .header("if-none-match", answer.etag());
    assert!(again.send().expect(304).body.is_empty());
}

#[test]
fn the_page_and_everything_it_loads_is_served() {
    let api = Api::start();
    for address in ["/docs", "/docs/", "/docs/index.html"] {
        let page = api.call_unchecked("GET", address).expect(200);
        assert!(
            page.header("content-type")
                .unwrap()
                .starts_with("text/html")
        );
        let page = page.text();
        let base = "<base href=\"/docs/\">";
        assert!(page.contains(base), "{page}");
        let mut loaded = 0;
        for part in page
            .replace(base, "")
            .split([' ', '>'])
            .filter_map(|attribute| {
                let value = attribute
                    .strip_prefix("href=\"")
                    .or_else(|| attribute.strip_prefix("src=\""))?;
                value.split('"').next()
            })
        {
            let target = format!("/docs/{}", part.trim_start_matches("./"));
            assert!(!api.get(&target).expect(200).body.is_empty(), "{target}");
            loaded += 1;
        }
        assert!(loaded >= 4, "{page}");
    }
    let script = api.get("/docs/swagger-initializer.js").expect(200).text();
    assert!(script.contains("/api/openapi.json"), "{script}");
    api.get("/docs/no-such-file.js").problem(404, "not_found");
}

/// Where the document and the router disagree, one of them is wrong. The router is asked by trying:
/// 405 names the methods that a path knows, and 404 says that it is none.
#[test]
fn the_router_knows_what_the_document_knows() {
    let api = Api::start();
    for (template, operations) in DOCUMENT["paths"].as_object().unwrap() {
        let path = template
            .replace("{id}", "1")
            .replace("{slug}", "a")
            .replace("{revision}", "1")
            .replace("{file}", "index.html");
        let documented: BTreeSet<String> = METHODS
            .map(str::to_lowercase)
            .into_iter()
            .filter(|method| operations.get(method).is_some())
            .collect();
        let refused = api
            .call("OPTIONS", &path)
            .send()
            .problem(405, "method_not_allowed");
        let refused = refused["detail"].as_str().unwrap().to_lowercase();
        let known: BTreeSet<String> = refused
            .trim_start_matches("this path knows ")
            .trim_end_matches('.')
            .split(", ")
            .filter(|method| *method != "head")
            .map(str::to_owned)
            .collect();
        assert_eq!(known, documented, "{template}");
    }
}

#[test]
fn every_route_in_the_source_is_documented() {
    let sources = [
        include_str!("../../src/routes.rs"),
        include_str!("../../src/routes/docs.rs"),
    ];
    let documented: BTreeSet<&str> = DOCUMENT["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut routed = BTreeSet::from(["/api/openapi.json"]);
    for source in sources {
        let parts = source.split("Path::new(").skip(1);
        routed.extend(
            parts.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next()),
        );
    }
    let routed: BTreeSet<String> = routed
        .into_iter()
        .map(|path| path.replace("{file:.*}", "{file}"))
        .collect();
    assert_eq!(
        routed.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        documented
    );
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    match value.as_str() {
                        Some(text) if name == "$ref" => found.push(text),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    references(&DOCUMENT, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(DOCUMENT.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn the_documented_fields_of_a_list_are_those_it_has() {
    let api = Api::start();
    let key = api.key(prepnexus_domain::Role::Author);
    api.post(&key, &serde_json::json!({"status": "published"}));
    let list = api.get("/api/v1/posts").expect(200).json();
    let has: BTreeSet<&str> = list["data"][0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let documented = DOCUMENT["components"]["schemas"]["ListField"]["enum"].as_array();
    let documented: BTreeSet<&str> = documented
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(has, documented);
}
