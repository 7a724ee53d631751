//! A whole import: what is in the database afterwards, in the report, and in the reject file.

use std::fs;

use prepnexus_domain::SystemClock;
use prepnexus_migrate::{
    Error,
    import::{ImportOptions, Outcome},
};
use prepnexus_testkit::TestDb;
use rusqlite::types::Value;
use serde_json::Value as Json;

use crate::{
    content, import, imported, migrator,
    old_file::{OldFile, bytes, text},
};

/// Two that are well, one that is changed on the way, and three that are no posts.
fn mixed() -> OldFile {
    let file = OldFile::of(&[
        &[
            ("author", text("  Asha \t Rao ")),
            ("tags", text(r#"["dsa", "SQL"]"#)),
            ("view_count", Value::Integer(42)),
            ("avatar", text("/asha.png")),
            (
                "content",
                text("<p>One <script>alert(1)</script><b>two</b></p>"),
            ),
        ],
        &[
            ("author", text("asha rao")),
            ("tags", text("sql,Career")),
            ("slug", text("second")),
        ],
        &[
            ("slug", Value::Null),
            ("title", text("Without an address")),
            ("status", text("draft")),
        ],
        &[("title", bytes(b"caf\xe9"))],
        &[("view_count", text("many"))],
        &[("status", text("publshed"))],
    ]);
    let users = "INSERT INTO users (email, name, password_hash, created_at) VALUES
                     ('asha@example.com', 'ASHA RAO', 'x', '2019-01-02'), ('bob@example.com', NULL, 'y', '2020-01-01');
                 INSERT INTO jobs (title) VALUES ('Engineer')";
    file.db.execute_batch(users).expect("rows");
    file
}

fn allowing(rows: u64, file: &OldFile) -> ImportOptions {
    ImportOptions {
        allow_rejects: rows,
        reject_file: Some(file.beside("rejects.ndjson")),
        report_file: Some(file.beside("report.json")),
        ..ImportOptions::default()
    }
}

#[tokio::test]
async fn all_rows_are_accounted_for_and_those_that_are_taken_are_there() {
    let db = TestDb::new().await;
    let file = mixed();
    let before = fs::read(file.path()).unwrap();
    let report = import(&db, &file, &allowing(3, &file)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Published);
    assert_eq!(fs::read(file.path()).unwrap(), before);

    // Nobody reads by a plan for empty tables: the server would look by itself a minute later, and of a few rows never.
    let gathered = "SELECT string_agg(DISTINCT tablename, ' ' ORDER BY tablename) FROM pg_stats WHERE schemaname = 'public'
                    AND tablename IN ('posts', 'post_views', 'post_tags', 'tags', 'authors', 'author_emails')";
    assert_eq!(
        db.psql(gathered).await,
        "author_emails authors post_tags post_views posts tags"
    );
    let posts = "SELECT p.id, p.slug, a.name, p.status, v.view_count, p.html, p.content_format,
                        ARRAY(SELECT t.name FROM post_tags pt JOIN tags t ON t.id = pt.tag_id
                              WHERE pt.post_id = p.id ORDER BY position)
                 FROM posts p JOIN authors a ON a.id = p.author_id JOIN post_views v ON v.post_id = p.id ORDER BY p.id";
    insta::assert_snapshot!(db.psql(posts).await, @r#"
    1|a-title|Asha Rao|published|42|<p>One <b>two</b></p>|html|{dsa,SQL}
    2|second|Asha Rao|published|0|<p>x</p>|html|{SQL,Career}
    3|without-an-address|Ada|draft|0|<p>x</p>|html|{}
    "#);
    let authors = "SELECT a.slug, a.name, a.avatar_url, CASE WHEN a.created_at < '2021-01-01' THEN a.created_at::date::text ELSE 'later' END, e.email FROM authors a
                   LEFT JOIN author_emails e ON e.author_id = a.id ORDER BY a.id";
    insta::assert_snapshot!(db.psql(authors).await, @r#"
    ada|Ada||later|
    asha-rao|Asha Rao|/asha.png|2019-01-02|asha@example.com
    bob|bob||2020-01-01|bob@example.com
    "#);
    let next =
        "INSERT INTO posts (slug, title, excerpt, content, html, author_id, reading_time_minutes)
                SELECT 'next', 'N', '', 'x', 'x', min(id), 1 FROM authors RETURNING id";
    assert_eq!(
        db.psql(next).await.lines().next(),
        Some("4"),
        "it comes behind the imported ones"
    );
    assert_eq!(
        db.psql("SELECT count(*) FROM pg_namespace WHERE nspname = 'prepnexus_import'")
            .await,
        "0"
    );

    let rejects = fs::read_to_string(file.beside("rejects.ndjson")).unwrap();
    insta::assert_snapshot!(rejects, @r#"
    {"table":"blogs","row_id":4,"column":"title","reason":"invalid_utf8","value_hex":"636166e9"}
    {"table":"blogs","row_id":5,"column":"view_count","reason":"not_an_integer","value":"many"}
    {"table":"blogs","row_id":6,"column":"status","reason":"unknown_status","value":"publshed"}
    "#);
    let mut written: Json =
        serde_json::from_slice(&fs::read(file.beside("report.json")).unwrap()).unwrap();
    assert_eq!(written["source_sha256"].as_str().unwrap().len(), 64);
    assert!(written["seconds"].is_f64());
    for varies in ["source_sha256", "seconds", "phases"] {
        written.as_object_mut().unwrap().remove(varies);
    }
    insta::assert_snapshot!(format!("{written:#}"), @r#"
    {
      "hash_mismatches": 0,
      "left_behind": [
        "users.password_hash"
      ],
      "outcome": "published",
      "tables": {
        "blogs": {
          "adjusted": 1,
          "imported": 3,
          "reasons": {
            "invalid_utf8": 1,
            "not_an_integer": 1,
            "slug_derived": 1,
            "unknown_status": 1
          },
          "rejected": 3,
          "skipped": 0,
          "source": 6
        },
        "jobs": {
          "adjusted": 0,
          "imported": 0,
          "reasons": {
            "no_target_table": 1
          },
          "rejected": 0,
          "skipped": 1,
          "source": 1
        },
        "users": {
          "adjusted": 0,
          "imported": 2,
          "reasons": {},
          "rejected": 0,
          "skipped": 0,
          "source": 2
        }
      },
      "verified_rows": 5,
      "written_rows": 19
    }
    "#);
}

#[tokio::test]
async fn a_second_run_writes_nothing_and_says_the_same() {
    let db = TestDb::new().await;
    let file = mixed();
    let first = import(&db, &file, &allowing(3, &file)).await.unwrap();
    // As readers do, who are counted.
    db.psql("UPDATE post_views SET view_count = view_count + 1")
        .await;
    let before = content(&db).await;
    let second = import(&db, &file, &allowing(3, &file)).await.unwrap();
    assert_eq!(content(&db).await, before);
    assert_eq!(second.written_rows, 0);
    assert_eq!(
        (second.outcome, second.tables, second.verified_rows),
        (first.outcome, first.tables, first.verified_rows)
    );
}

#[tokio::test]
async fn with_more_rejected_than_allowed_nothing_is_visible() {
    let db = TestDb::new().await;
    let file = mixed();
    let before = content(&db).await;
    let report = import(&db, &file, &allowing(2, &file)).await.unwrap();
    assert_eq!(
        (report.outcome, report.rejected()),
        (Outcome::TooManyRejected, 3)
    );
    assert_eq!(content(&db).await, before);
    assert_eq!(db.psql("SELECT is_called FROM posts_id_seq").await, "f");
    let rejects = fs::read_to_string(file.beside("rejects.ndjson")).unwrap();
    assert_eq!(
        rejects.lines().count(),
        3,
        "they are listed all the same: {rejects}"
    );
}

#[tokio::test]
async fn a_dry_run_reads_all_back_and_changes_nothing() {
    let db = TestDb::new().await;
    let file = mixed();
    let before = content(&db).await;
    let options = ImportOptions {
        dry_run: true,
        ..allowing(3, &file)
    };
    let report = import(&db, &file, &options).await.unwrap();
    assert_eq!(
        (report.outcome, report.verified_rows, report.hash_mismatches),
        (Outcome::DryRun, 5, 0)
    );
    assert_eq!(content(&db).await, before);
    assert_eq!(db.psql("SELECT is_called FROM posts_id_seq").await, "f");
    let real = import(&db, &file, &allowing(3, &file)).await.unwrap();
    assert_eq!(
        (real.outcome, real.tables),
        (Outcome::Published, report.tables)
    );
}

#[tokio::test]
async fn rows_that_the_database_alters_are_found_and_not_published() {
    let db = TestDb::new().await;
    db.psql(
        "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN NEW.title := upper(NEW.title); RETURN NEW; END $$;
         CREATE TRIGGER shout BEFORE INSERT ON posts FOR EACH ROW EXECUTE FUNCTION shout()",
    )
    .await;
    let file = OldFile::of(&[&[], &[("slug", text("b")), ("title", text("QUIET"))]]);
    let report = imported(&db, &file).await;
    assert_eq!(
        (report.outcome, report.verified_rows, report.hash_mismatches),
        (Outcome::Mismatch, 1, 1)
    );
    assert_eq!(db.psql("SELECT count(*) FROM posts").await, "0");
}

#[tokio::test]
async fn what_would_overwrite_the_file_is_refused() {
    let db = TestDb::new().await;
    let file = mixed();
    let before = fs::read(file.path()).unwrap();
    let by_another_name = file.beside("link");
    std::os::unix::fs::symlink(file.path(), &by_another_name).unwrap();
    for path in [file.path(), by_another_name] {
        for is_report in [true, false] {
            let mut options = allowing(3, &file);
            *if is_report {
                &mut options.report_file
            } else {
                &mut options.reject_file
            } = Some(path.clone());
            let error = import(&db, &file, &options).await.unwrap_err();
            assert!(matches!(error, Error::WouldOverwrite(_)), "{error}");
        }
    }
    assert_eq!(fs::read(file.path()).unwrap(), before);
}

#[tokio::test]
async fn a_schema_that_lacks_a_migration_is_refused_by_its_name() {
    let db = TestDb::empty().await;
    let file = mixed();
    let imported = migrator(&db)
        .import_sqlite(
            &file.path(),
            &ImportOptions::default(),
            &SystemClock,
            &mut |_| {},
        )
        .await;
    let error = imported.unwrap_err().to_string();
    assert_eq!(
        error,
        "0001_content.sql is not applied yet: run `migrator up`"
    );
}
