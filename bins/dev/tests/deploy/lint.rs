//! Files that people edit: tidy, and without what is known to go wrong.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use super::tools::{must, node, python, repository};

#[test]
fn yaml_is_tidy() {
    let mut yamllint = Command::new("yamllint");
    must(yamllint.current_dir(repository(".")).args([
        "--strict",
        "deploy",
        "docker",
        ".yamllint.yaml",
        ".dclintrc.yaml",
    ]));
}

#[test]
fn images_and_compositions_are_without_known_mistakes() {
    let docker = repository("docker");
    let files = || {
        fs::read_dir(&docker)
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
    };
    let named =
        |path: &PathBuf, part: &str| path.file_name().unwrap().to_string_lossy().contains(part);
    let images: Vec<_> = files()
        .filter(|path| named(path, "Dockerfile") && !named(path, "ignore"))
        .collect();
    must(Command::new(python().join("hadolint")).args(&images));
    let compositions: Vec<_> = files().filter(|path| named(path, "compose")).collect();
    let mut dclint = Command::new(node().join("node_modules/.bin/dclint"));
    dclint
        .arg("--max-warnings")
        .arg("0")
        .arg("--config")
        .arg(repository(".dclintrc.yaml"));
    must(dclint.args(&compositions));
}

/// A setting that is misspelt in an example is one that nobody reads.
#[test]
fn examples_set_what_there_is() {
    let config = fs::read_to_string(repository("docs/CONFIG.md")).unwrap();
    let known: BTreeSet<&str> = config
        .split('`')
        .filter(|word| {
            word.chars()
                .all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
        })
        .collect();
    assert!(known.contains("DB_HOST") && known.contains("BACKUP_DRILL_AT"));
    let entries = fs::read_dir(repository("deploy/machines/env"))
        .unwrap()
        .flatten();
    let mut seen = 0;
    for path in entries.map(|entry| entry.path()) {
        let text = fs::read_to_string(&path).unwrap();
        for line in text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            let (name, value) = line.split_once('=').unwrap();
            let is_engines = name.starts_with("PGBACKREST_");
            assert!(is_engines || known.contains(name), "{path:?}: {name}");
            let is_secret = name.ends_with("PASSWORD") || name.ends_with("PASS");
            assert!(!is_secret || value.is_empty(), "{path:?}: {name}");
            seen += 1;
        }
    }
    assert!(seen > 25, "{seen}");
}
