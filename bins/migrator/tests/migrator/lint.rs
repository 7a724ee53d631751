//! What is unsafe is refused, and not applied.

use std::fs;

use prepnexus_testkit::TestDb;
use serde_json::Value;

use crate::{bare, run, with};

const UNSAFE: &str = "CREATE INDEX posts_status_idx ON posts (status);\n";

#[tokio::test]
async fn an_unsafe_migration_exits_8_and_is_not_applied_until_it_is_waived() {
    let db = TestDb::new().await;
    db.psql("DROP TABLE schema_migrations").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("0001_index.sql");
    fs::write(&file, UNSAFE).unwrap();
    let arguments = ["--migrations", dir.path().to_str().unwrap()];

    let mut alone = bare();
    alone.args(arguments).arg("lint");
    let alone = run(alone).await;
    let up = with(&db, &[&arguments as &[_], &["up"]].concat()).await;
    for ran in [&alone, &up] {
        assert_eq!(ran.code, 8, "{}", ran.stderr);
        let said = "0001_index.sql, line 1: ";
        assert!(ran.stdout.starts_with(said), "{}", ran.stdout);
        assert!(
            ran.stdout.contains("[require-concurrent-index-creation]"),
            "{}",
            ran.stdout
        );
    }
    assert_eq!(
        db.psql("SELECT to_regclass('posts_status_idx') IS NULL")
            .await,
        "t"
    );
    let json = with(&db, &[&arguments as &[_], &["lint", "--json"]].concat()).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["findings"][0]["line"], 1);

    let waived =
        format!("-- migrate: allow require-concurrent-index-creation: it is small\n{UNSAFE}");
    fs::write(&file, waived).unwrap();
    let ran = with(&db, &[&arguments as &[_], &["up"]].concat()).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        db.psql("SELECT to_regclass('posts_status_idx') IS NULL")
            .await,
        "f"
    );
}
