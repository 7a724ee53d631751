//! docs/LICENCES.md: what is in the programs that are shipped, and under which licence.

use std::{
    collections::{BTreeSet, HashMap},
    env, fs,
    path::Path,
};

use cargo_metadata::{DependencyKind, Metadata, Node, Package, PackageId};

use super::graph;

const SHIPPED: [&str; 3] = [
    "prepnexus-api",
    "prepnexus-migrator",
    "prepnexus-backup-bin",
];
const INTRODUCTION: &str = "\
# Licences

<!-- Generated. To change it: UPDATE_DOCS=1 cargo test -p prepnexus-dev --test architecture -->

What is compiled into `api`, `migrator` and `backup`, beside this project's own crates, by `Cargo.lock`. Each licence is one that `deny.toml` allows.

| crate | version | licence |
|---|---|---|
";

#[test]
fn the_list_of_licences_is_up_to_date() {
    let metadata = graph::metadata();
    let mut found: Vec<&Package> = shipped(&metadata).into_iter().collect();
    found.sort_by_key(|package| (package.name.to_string(), package.version.clone()));
    assert!(found.len() > 100, "{}", found.len());
    let line = |package: &&Package| {
        let licence = package.license.as_deref().unwrap_or("see its file");
        format!("| {} | {} | {licence} |\n", package.name, package.version)
    };
    let expected = INTRODUCTION.to_owned() + &found.iter().map(line).collect::<String>();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/LICENCES.md");
    #[expect(
        clippy::disallowed_methods,
        reason = "asks for the file to be written anew"
    )]
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "run UPDATE_DOCS=1 cargo test -p prepnexus-dev --test architecture"
    );
}

/// Third parties' crates that are linked into what is shipped.
fn shipped(metadata: &Metadata) -> Vec<&Package> {
    let resolve = metadata
        .resolve
        .as_ref()
        .expect("metadata was asked for with dependencies");
    let nodes: HashMap<&PackageId, &Node> =
        resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let roots = metadata
        .packages
        .iter()
        .filter(|package| SHIPPED.contains(&package.name.as_str()));
    let mut open: Vec<&PackageId> = roots.map(|package| &package.id).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let used = nodes[id].deps.iter().filter(|used| {
            used.dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal)
        });
        open.extend(used.map(|used| &used.pkg));
    }
    let members = &metadata.workspace_members;
    let packages = seen.into_iter().filter(|id| !members.contains(id));
    packages.map(|id| &metadata[id]).collect()
}
