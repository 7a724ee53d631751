//! The rules applied to what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::architecture::{graph, rules};

#[test]
fn everybody_knows_only_whom_they_may() {
    let edges = graph::edges(&graph::metadata());
    assert!(
        edges.iter().any(|(_, used)| used == "tokio-postgres"),
        "the graph has no edges to judge"
    );
    let found = rules::violations(
        edges
            .iter()
            .map(|(package, used)| (package.as_str(), used.as_str())),
    );
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_rules_know_every_package() {
    let metadata = graph::metadata();
    let packages = metadata.workspace_packages();
    let found: BTreeSet<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let known: BTreeSet<&str> = rules::libraries().chain(rules::BINARIES).collect();
    assert_eq!(found, known);
}

#[test]
fn no_two_members_use_two_versions_of_one_crate() {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, version) in graph::direct_versions(&graph::metadata()) {
        versions.entry(name).or_default().push(version);
    }
    assert!(
        versions.contains_key("tokio"),
        "the graph has no dependencies to judge"
    );
    versions.retain(|_, versions| versions.len() > 1);
    assert!(versions.is_empty(), "{versions:?}");
}

#[test]
fn every_licence_is_one_that_deny_toml_allows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deny.toml");
    let allowed = allowed_licences(&fs::read_to_string(path).unwrap());
    assert!(allowed.contains("MIT"), "{allowed:?}");
    let metadata = graph::metadata();
    let refused: Vec<String> = metadata
        .packages
        .iter()
        .filter(|package| !is_allowed(package.license.as_deref().unwrap_or("none"), &allowed))
        .map(|package| format!("{}: {:?}", package.name, package.license))
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// The strings of `allow = [ … ]` under `[licenses]`.
fn allowed_licences(text: &str) -> BTreeSet<String> {
    let list = text
        .split_once("[licenses]")
        .and_then(|(_, rest)| rest.split_once("allow = ["));
    let list = list
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or("", |(list, _)| list);
    list.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Whether an SPDX expression can be satisfied: `A OR (B AND C)`, and the old `A/B`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    let any = split_outside_parentheses(&expression, " OR ");
    if any.len() > 1 {
        return any.iter().any(|part| is_allowed(part, allowed));
    }
    let all = split_outside_parentheses(&expression, " AND ");
    if all.len() > 1 {
        return all.iter().all(|part| is_allowed(part, allowed));
    }
    let alone = expression.trim();
    match alone
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
    {
        Some(inner) => is_allowed(inner, allowed),
        None => allowed.contains(alone),
    }
}

fn split_outside_parentheses<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ if depth == 0 && text[index..].starts_with(separator) => {
                parts.push(&text[start..index]);
                start = index + separator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[test]
fn licence_expressions() {
    let allowed = ["MIT", "Apache-2.0", "Zlib"].map(str::to_owned).into();
    for good in [
        "MIT",
        "MIT/GPL-3.0",
        "GPL-3.0 OR MIT",
        "(GPL-3.0 OR MIT) AND Zlib",
        "Zlib AND (MIT)",
    ] {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in [
        "none",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR Zlib) AND GPL-3.0",
    ] {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}
