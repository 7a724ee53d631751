//! The rules themselves, as tables and one pure function, which is tested on edges that don't exist.

/// Which of our libraries may use which. Binaries join whatever they need, so that they are not in the table.
const MAY_USE: [(&str, &[&str]); 12] = [
    ("prepnexus-domain", &[]),
    ("prepnexus-health", &["prepnexus-domain"]),
    (
        "prepnexus-storage",
        &["prepnexus-domain", "prepnexus-health"],
    ),
    ("prepnexus-cache", &["prepnexus-domain", "prepnexus-health"]),
    (
        "prepnexus-content",
        &[
            "prepnexus-domain",
            "prepnexus-health",
            "prepnexus-storage",
            "prepnexus-cache",
        ],
    ),
    (
        "prepnexus-web",
        &["prepnexus-content", "prepnexus-domain", "prepnexus-health"],
    ),
    (
        "prepnexus-migrate",
        &["prepnexus-domain", "prepnexus-storage"],
    ),
    (
        "prepnexus-backup",
        &["prepnexus-domain", "prepnexus-storage"],
    ),
    ("prepnexus-devstack", &[]),
    (
        "prepnexus-testkit",
        &[
            "prepnexus-devstack",
            "prepnexus-migrate",
            "prepnexus-storage",
        ],
    ),
    (
        "prepnexus-chaos",
        &[
            "prepnexus-devstack",
            "prepnexus-migrate",
            "prepnexus-storage",
            "prepnexus-testkit",
        ],
    ),
    (
        "prepnexus-settings",
        &["prepnexus-storage", "prepnexus-cache"],
    ),
];

/// The binaries, which nothing else may use.
pub(super) const BINARIES: [&str; 4] = [
    "prepnexus-api",
    "prepnexus-migrator",
    "prepnexus-backup-bin",
    "prepnexus-dev",
];

/// Who alone may name the crates of a technology. A name ends in `*` where it stands for all that begin so.
const TECHNOLOGIES: [(&str, &[&str], &[&str]); 3] = [
    (
        "the PostgreSQL driver",
        &[
            "tokio-postgres*",
            "deadpool*",
            "postgres*",
            "sqlx*",
            "diesel*",
        ],
        &[
            "prepnexus-storage",
            "prepnexus-migrate",
            "prepnexus-backup",
            "prepnexus-devstack",
        ],
    ),
    ("Redis", &["redis*", "bb8*", "fred"], &["prepnexus-cache"]),
    // bins/dev: the reference server that its benchmark measures against.
    (
        "actix",
        &["actix*", "awc", "utoipa-swagger-ui"],
        &["prepnexus-web", "prepnexus-dev"],
    ),
];

/// Every library of ours that the rules know.
pub(super) fn libraries() -> impl Iterator<Item = &'static str> {
    MAY_USE.iter().map(|(name, _)| *name)
}

/// What the rules say against these direct dependencies, given as (package, what it depends on).
pub(super) fn violations<'a>(edges: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    edges
        .into_iter()
        .filter_map(|(package, used)| objection(package, used))
        .collect()
}

fn objection(package: &str, used: &str) -> Option<String> {
    if used.starts_with("prepnexus") {
        return objection_to_ours(package, used);
    }
    let named = TECHNOLOGIES
        .iter()
        .find(|(_, names, _)| names.iter().any(|name| stands_for(name, used)));
    let (technology, _, users) = named?;
    let users_text = users.join(", ");
    (!users.contains(&package))
        .then(|| format!("{package} names {used}: only {users_text} may name {technology}"))
}

fn objection_to_ours(package: &str, used: &str) -> Option<String> {
    if BINARIES.contains(&used) {
        return Some(format!("{package} uses {used}, which is a binary"));
    }
    if BINARIES.contains(&package) {
        return None;
    }
    let Some((_, may)) = MAY_USE.iter().find(|(name, _)| *name == package) else {
        return Some(format!(
            "{package} uses {used}, and no rule knows {package}"
        ));
    };
    (!may.contains(&used)).then(|| format!("{package} may not use {used}"))
}

fn stands_for(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

#[test]
fn allowed_edges_pass() {
    let edges = [
        ("prepnexus-storage", "prepnexus-health"),
        ("prepnexus-storage", "tokio-postgres"),
        ("prepnexus-cache", "bb8-redis"),
        ("prepnexus-web", "actix-web"),
        ("prepnexus-api", "prepnexus-storage"),
        ("prepnexus-domain", "serde"),
    ];
    assert_eq!(violations(edges), Vec::<String>::new());
}

#[test]
fn a_forbidden_edge_is_reported_with_both_names() {
    for (package, used) in [
        ("prepnexus-domain", "prepnexus-health"),
        ("prepnexus-cache", "prepnexus-storage"),
        ("prepnexus-storage", "prepnexus-cache"),
        ("prepnexus-web", "prepnexus-storage"),
        ("prepnexus-web", "prepnexus-cache"),
        ("prepnexus-chaos", "prepnexus-content"),
        ("prepnexus-storage", "prepnexus-chaos"),
        ("prepnexus-devstack", "prepnexus-domain"),
        ("prepnexus-settings", "prepnexus-web"),
        ("prepnexus-content", "prepnexus-api"),
        ("prepnexus-migrator", "prepnexus-dev"),
        ("prepnexus-new", "prepnexus-domain"),
        ("prepnexus-content", "tokio-postgres"),
        ("prepnexus-cache", "postgres-types"),
        ("prepnexus-chaos", "tokio-postgres"),
        ("prepnexus-api", "deadpool-postgres"),
        ("prepnexus-storage", "redis"),
        ("prepnexus-web", "bb8"),
        ("prepnexus-health", "actix-web"),
        ("prepnexus-api", "actix-web"),
    ] {
        let found = violations([("prepnexus-storage", "prepnexus-domain"), (package, used)]);
        let [line] = found.as_slice() else {
            panic!("{package} -> {used}: {found:?}")
        };
        assert!(line.contains(package) && line.contains(used), "{line}");
    }
}
