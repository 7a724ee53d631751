//! What is not as the files make it is found, and said.

use std::{fs, path::Path};

use prepnexus_testkit::TestDb;
use serde_json::Value;
use tempfile::TempDir;

use crate::with;

async fn scratch_databases(db: &TestDb) -> String {
    let sql = format!(
        "SELECT count(*) FROM pg_database WHERE starts_with(datname, '{}_scratch_')",
        db.database()
    );
    db.psql(&sql).await
}

/// The project's own migrations, to be edited.
fn own_migrations() -> TempDir {
    let dir = tempfile::tempdir().expect("a writable directory");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    for entry in fs::read_dir(own).expect("the migrations") {
        let file = entry.expect("an entry").path();
        if file.extension().is_some_and(|extension| extension == "sql") {
            let name = file.file_name().expect("a name");
            fs::copy(&file, dir.path().join(name)).expect("a copy");
        }
    }
    dir
}

#[tokio::test]
async fn a_migrated_database_is_as_the_files_make_it() {
    let db = TestDb::new().await;
    let ran = with(&db, &["verify"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(
        ran.stdout,
        "the schema is the one that the migrations make\n"
    );
    assert_eq!(scratch_databases(&db).await, "0");
}

#[tokio::test]
async fn what_was_changed_by_hand_is_named() {
    let db = TestDb::new().await;
    for (change, back, said) in [
        (
            "CREATE INDEX by_hand ON posts (status)",
            "DROP INDEX by_hand",
            "not made by a migration: index public.by_hand\n  + CREATE INDEX by_hand ON public.posts USING btree (status)\n",
        ),
        (
            "DROP INDEX posts_title_idx",
            "CREATE INDEX posts_title_idx ON posts (lower(title), id)",
            "missing: index public.posts_title_idx\n  - CREATE INDEX posts_title_idx ON public.posts USING btree (lower(title), id)\n",
        ),
        (
            "ALTER TABLE posts ALTER COLUMN reading_time_minutes SET DEFAULT 1",
            "ALTER TABLE posts ALTER COLUMN reading_time_minutes DROP DEFAULT",
            "another: column public.posts.reading_time_minutes\n  - integer not null\n  + integer not null default 1\n",
        ),
        (
            "ALTER TABLE posts DISABLE TRIGGER posts_keep_revision",
            "ALTER TABLE posts ENABLE TRIGGER posts_keep_revision",
            "another: trigger posts_keep_revision on public.posts\n",
        ),
        (
            "GRANT DELETE ON authors TO prepnexus_api",
            "REVOKE DELETE ON authors FROM prepnexus_api",
            "another: table public.authors\n",
        ),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'posts_listed_idx'::regclass",
            "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'posts_listed_idx'::regclass",
            "another: index public.posts_listed_idx\n",
        ),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION f()",
            "not made by a migration: function public.f()\n",
        ),
    ] {
        db.psql(change).await;
        let ran = with(&db, &["verify"]).await;
        assert_eq!(ran.code, 4, "{change}: {}", ran.stderr);
        assert!(ran.stdout.starts_with(said), "{change}:\n{}", ran.stdout);
        db.psql(back).await;
    }
    assert_eq!(with(&db, &["verify"]).await.code, 0);
    assert_eq!(scratch_databases(&db).await, "0");

    db.psql("CREATE TABLE by_hand ()").await;
    let ran = with(&db, &["verify", "--json"]).await;
    let said: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(said["differences"][0]["object"], "table public.by_hand");
    assert_eq!(said["differences"][0]["expected"], Value::Null);
}

#[tokio::test]
async fn a_file_with_another_byte_is_named_with_both_sums() {
    let db = TestDb::new().await;
    let dir = own_migrations();
    let arguments = ["--migrations", dir.path().to_str().unwrap(), "verify"];
    assert_eq!(with(&db, &arguments).await.code, 0);
    let file = dir.path().join("0002_service.sql");
    let edited = fs::read_to_string(&file)
        .unwrap()
        .replacen("keeps", "keepz", 1);
    fs::write(&file, edited).unwrap();
    let ran = with(&db, &arguments).await;
    assert_eq!(ran.code, 4);
    assert!(
        ran.stderr
            .contains("0002_service.sql was changed after it had been applied: its SHA-256 was"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn scratch_databases_of_killed_runs_are_removed() {
    let db = TestDb::new().await;
    let owner = db.owner_config().user;
    let left = format!("{}_scratch_0123456789abcdef", db.database());
    db.psql(&format!("CREATE DATABASE {left} OWNER {owner}"))
        .await;
    assert_eq!(with(&db, &["verify"]).await.code, 0);
    assert_eq!(scratch_databases(&db).await, "0");
}

#[tokio::test]
async fn a_database_of_another_tools_making_is_taken_over_once_it_is_the_same() {
    let db = TestDb::new().await;
    assert_eq!(
        with(&db, &["baseline", "--version", "6"]).await.code,
        1,
        "it has records"
    );
    db.psql("DROP TABLE schema_migrations").await;
    assert_eq!(with(&db, &["baseline", "--version", "99"]).await.code, 2);

    let other = with(&db, &["baseline", "--version", "3"]).await;
    assert_eq!(other.code, 4, "{}", other.stderr);
    assert!(
        other
            .stdout
            .contains("not made by a migration: table public.change_beat\n"),
        "{}",
        other.stdout
    );
    let ran = with(&db, &["baseline", "--version", "6"]).await;
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "recorded as applied, up to 0006\n")
    );
    assert_eq!(with(&db, &["status", "--check"]).await.code, 0);
    assert_eq!(with(&db, &["verify"]).await.code, 0);
    assert_eq!(with(&db, &["up"]).await.stdout, "nothing is pending\n");

    db.psql("DROP TABLE schema_migrations; CREATE TABLE by_hand ()")
        .await;
    assert_eq!(with(&db, &["baseline", "--version", "6"]).await.code, 4);
    let accepted = with(&db, &["baseline", "--version", "6", "--accept-differences"]).await;
    assert_eq!(accepted.code, 0, "{}", accepted.stderr);
}
