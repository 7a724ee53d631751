//! What cargo says of the workspace, as plain edges.

use std::collections::BTreeSet;
use std::env;
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// The whole dependency graph, from the lock file.
pub(super) fn metadata() -> Metadata {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    // Only this machine's part: that of other systems was never downloaded.
    let platform = format!("--filter-platform={}-unknown-linux-gnu", env::consts::ARCH);
    let mut command = MetadataCommand::new();
    command
        .manifest_path(manifest)
        .other_options(vec!["--locked".into(), platform]);
    command
        .exec()
        .expect("cargo metadata describes this workspace")
}

/// The direct dependencies of the workspace's packages, those of tests aside.
pub(super) fn edges(metadata: &Metadata) -> Vec<(String, String)> {
    let packages = metadata.workspace_packages();
    let of = |package: &Package| {
        let kept = package
            .dependencies
            .iter()
            .filter(|used| used.kind != DependencyKind::Development);
        kept.map(|used| (package.name.to_string(), used.name.clone()))
            .collect::<Vec<_>>()
    };
    packages.into_iter().flat_map(of).collect()
}

/// The versions of third parties' crates that members depend on directly, for tests too, as (name, version).
pub(super) fn direct_versions(metadata: &Metadata) -> BTreeSet<(String, String)> {
    let resolve = metadata
        .resolve
        .as_ref()
        .expect("metadata was asked for with dependencies");
    let members = resolve
        .nodes
        .iter()
        .filter(|node| metadata.workspace_members.contains(&node.id));
    let ids = members.flat_map(|node| node.deps.iter().map(|used| &used.pkg));
    let packages = ids
        .filter(|id| !metadata.workspace_members.contains(id))
        .map(|id| &metadata[id]);
    packages
        .map(|package| (package.name.to_string(), package.version.to_string()))
        .collect()
}
