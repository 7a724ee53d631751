//! `import-sqlite`: what it prints and with what it exits.

use std::path::Path;

use prepnexus_testkit::TestDb;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{Ran, with};

/// Two posts that are well, one whose views are a word, and a job.
fn old_file() -> (TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("old.sqlite");
    let db = Connection::open(&path).expect("a file");
    db.execute_batch(
        "CREATE TABLE blogs (id INTEGER PRIMARY KEY, title TEXT, author TEXT, content TEXT, slug TEXT, view_count INTEGER);
         INSERT INTO blogs VALUES (1, 'A', 'Ada', '<p>x</p>', 'a', 1), (2, 'B', 'Ada', '<p>x</p>', 'a', 2),
             (3, 'C', 'Ada', '<p>x</p>', 'c', 'many');
         CREATE TABLE jobs (id INTEGER PRIMARY KEY);
         INSERT INTO jobs VALUES (1)",
    )
    .expect("rows");
    let path = path.to_str().expect("UTF-8").to_owned();
    (dir, path)
}

async fn import(db: &TestDb, file: &str, arguments: &[&str]) -> Ran {
    with(db, &[&["import-sqlite", file], arguments].concat()).await
}

#[tokio::test]
async fn with_too_many_rejected_it_exits_7_and_else_with_a_summary() {
    let db = TestDb::new().await;
    let (dir, file) = old_file();
    let rejects = dir.path().join("rejects.ndjson");
    let rejects = rejects.to_str().unwrap();
    let refused = import(&db, &file, &["--reject-file", rejects]).await;
    assert_eq!(refused.code, 7, "{}", refused.stderr);
    let said = "nothing was changed: 1 rows were rejected, 0 are allowed";
    assert!(refused.stdout.contains(said), "{}", refused.stdout);
    let line = std::fs::read_to_string(rejects).unwrap();
    assert!(
        line.contains(r#""reason":"not_an_integer","value":"many""#),
        "{line}"
    );
    assert_eq!(db.psql("SELECT count(*) FROM posts").await, "0");

    let rehearsed = import(&db, &file, &["--allow-rejects", "1", "--dry-run"]).await;
    assert_eq!(rehearsed.code, 0, "{}", rehearsed.stderr);
    assert!(
        rehearsed.stdout.contains("a dry run: nothing was changed"),
        "{}",
        rehearsed.stdout
    );

    let imported = import(&db, &file, &["--allow-rejects", "1"]).await;
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    for part in [
        "\nblogs               3          2          1          1          0\n",
        "\njobs                1          0          0          0          1\n",
        "\n         1  blogs slug_suffixed\n",
        "\n2 rows read back, 0 of them not what the file says; ",
        "\nleft behind: users.password_hash\n",
        "\nall of it is visible (",
    ] {
        assert!(
            imported.stdout.contains(part),
            "{part}: {}",
            imported.stdout
        );
    }
    assert_eq!(
        db.psql("SELECT string_agg(slug, ' ' ORDER BY id) FROM posts")
            .await,
        "a a-2"
    );

    let again = import(&db, &file, &["--allow-rejects", "1", "--json"]).await;
    let again: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(again["written_rows"], 0);
    assert_eq!(again["tables"]["blogs"]["reasons"]["slug_suffixed"], 1);
}

#[tokio::test]
async fn what_can_not_be_imported_says_why() {
    let db = TestDb::empty().await;
    let (dir, file) = old_file();
    let ran = import(&db, &file, &[]).await;
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("0001_content.sql is not applied yet"),
        "{}",
        ran.stderr
    );

    let db = TestDb::new().await;
    let ran = import(&db, &file, &["--report", &file]).await;
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("is the file that is to be read"),
        "{}",
        ran.stderr
    );

    let elsewhere = dir.path().join("no/report.json");
    let ran = import(&db, &file, &["--report", elsewhere.to_str().unwrap()]).await;
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("can't write "), "{}", ran.stderr);

    let ran = import(&db, "/nowhere/old.sqlite", &[]).await;
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("can't read /nowhere/old.sqlite"),
        "{}",
        ran.stderr
    );
    assert!(!Path::new("/nowhere").exists());
}
