//! The OpenAPI document as the judge of every answer.

use std::sync::LazyLock;

use serde_json::Value;

use crate::{client::Answer, schema};

/// The document as it is served.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(prepnexus_web::openapi_document()).unwrap());

/// The documented path that `path` is an example of. Words come before parameters.
pub(crate) fn template_of(path: &str) -> Option<&'static str> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let mut matching: Vec<&str> = paths
        .keys()
        .map(String::as_str)
        .filter(|template| is_example(template, path))
        .collect();
    matching.sort_by_key(|template| template.matches('{').count());
    matching.first().copied()
}

fn is_example(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted.starts_with('{') => {
                if given.is_empty() {
                    return false;
                }
            }
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return false,
        }
    }
}

/// Whether the answer is one that the document promises.
#[track_caller]
pub(crate) fn check(method: &str, target: &str, answer: &Answer) {
    let path = target.split('?').next().unwrap();
    assert!(
        answer.header("x-request-id").is_some(),
        "{method} {target}: an answer without a request id"
    );
    let Some(template) = template_of(path) else {
        assert!(
            answer.status == 404,
            "{method} {target}: not documented, and answered with {}",
            answer.status
        );
        return check_problem(method, target, answer, None);
    };
    let operations = &DOCUMENT["paths"][template];
    let name = match method {
        "HEAD" => "get".to_owned(),
        other => other.to_lowercase(),
    };
    let operation = match operations.get(&name) {
        Some(operation) => operation,
        None => {
            assert_eq!(answer.status, 405, "{method} {target}: not documented");
            operations.as_object().unwrap().values().next().unwrap()
        }
    };
    let documented = &operation["responses"][answer.status.to_string()];
    assert!(
        documented.is_object(),
        "{method} {template} answers {}, which is not documented: {}",
        answer.status,
        answer.text()
    );
    for name in documented["headers"].as_object().into_iter().flatten() {
        assert!(
            answer.header(name.0).is_some(),
            "{method} {target}: no {}",
            name.0
        );
    }
    if answer.body.is_empty() {
        return;
    }
    let content_type = answer.header("content-type").unwrap();
    let media_type = content_type.split(';').next().unwrap();
    let content = &documented["content"][media_type];
    assert!(
        content.is_object(),
        "{method} {template}: {} is not documented to be {media_type}",
        answer.status
    );
    if media_type == "application/problem+json" {
        check_problem(method, target, answer, documented["description"].as_str());
    }
    if media_type.ends_with("json") && content["schema"].is_object() {
        let faults = schema::faults(&DOCUMENT, &content["schema"], &answer.json());
        assert!(faults.is_empty(), "{method} {target}: {faults:?}");
    }
}

/// An error says the same thing everywhere, and names a code that the document names.
fn check_problem(method: &str, target: &str, answer: &Answer, description: Option<&str>) {
    if answer.body.is_empty() {
        return;
    }
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let problem = answer.json();
    let code = problem["code"].as_str().unwrap();
    assert_eq!(problem["status"], answer.status);
    assert_eq!(problem["type"], format!("urn:prepnexus:problem:{code}"));
    assert_eq!(
        problem["request_id"].as_str(),
        answer.header("x-request-id")
    );
    assert_eq!(answer.status == 503, answer.header("retry-after").is_some());
    assert_ne!(answer.status, 500, "{method} {target}: {problem}");
    if let Some(description) = description {
        assert!(
            description.contains(&format!("`{code}`")),
            "{method} {target}: {code} is not among the documented codes: {description}"
        );
    }
}
