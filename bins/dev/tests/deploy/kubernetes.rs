//! deploy/kubernetes: rendered, and held against the schemas of Kubernetes and of the operators.

use std::{collections::BTreeMap, fs, process::Command};

use serde_json::Value;

use super::{
    bindings::Bindings,
    tools::{must, python, repository},
};

#[test]
fn all_that_is_rendered_is_what_the_schemas_say() {
    let scratch = tempfile::tempdir().unwrap();
    let script = repository("bins/dev/tests/deploy/kubernetes.py");
    let mut render = Command::new(python().join("python"));
    let said = must(
        render
            .arg(script)
            .arg(repository("deploy/kubernetes"))
            .arg(scratch.path()),
    );
    assert!(said.contains("resources of 5 kustomizations"), "{said}");
    let custom = fs::read(scratch.path().join("custom.json")).unwrap();
    let custom: Vec<Value> = serde_json::from_slice(&custom).unwrap();
    assert!(custom.len() > 10, "{said}");
    let mut known = BTreeMap::<&str, Bindings>::new();
    let mut problems = Vec::new();
    for resource in &custom {
        let text = |pointer: &str| resource.pointer(pointer).and_then(Value::as_str).unwrap();
        let (group, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        let bindings = known.entry(group).or_insert_with(|| Bindings::of(group));
        let found = bindings.problems(kind, &resource["spec"]);
        problems.extend(
            found
                .into_iter()
                .map(|problem| format!("{kind} {name}: {problem}")),
        );
    }
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(known.len(), 4, "operators");
}

/// No secret has a value, and all that are named are in the page that says what to make.
#[test]
fn secrets_are_named_and_not_given() {
    let page = fs::read_to_string(repository("docs/DEPLOYING.md")).unwrap();
    let names = [
        "prepnexus-db-api",
        "prepnexus-db-owner",
        "prepnexus-redis",
        "prepnexus-backups",
        "prepnexus-db-ca",
    ];
    let mut files = vec![repository("deploy/kubernetes")];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .flatten()
                    .map(|entry| entry.path()),
            );
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("kind: Secret"), "{path:?}");
    }
    for name in names {
        assert!(page.contains(name), "{name} is not in docs/DEPLOYING.md");
    }
}
