//! deploy/kubernetes: rendered, and held against the schemas of Kubernetes and of the operators.

use std::{fs, process::Command};

use super::tools::{must, node, python, repository};

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
    let node = node();
    fs::copy(
        repository("bins/dev/tests/deploy/custom.mjs"),
        node.join("custom.mjs"),
    )
    .unwrap();
    let mut check = Command::new("node");
    let said = must(
        check
            .current_dir(&node)
            .arg("custom.mjs")
            .arg(scratch.path().join("custom.json")),
    );
    assert!(said.contains("custom resources"), "{said}");
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
