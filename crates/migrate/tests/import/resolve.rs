//! What a row alone can't tell: numbers and addresses that come twice, or are taken.

use prepnexus_migrate::import::{ImportOptions, ImportReport, Outcome};
use prepnexus_testkit::TestDb;
use rusqlite::types::Value;

use crate::{
    import, imported,
    old_file::{OldFile, text},
};

async fn slugs(db: &TestDb) -> String {
    let slugs = db
        .psql("SELECT id || ' ' || slug FROM posts ORDER BY id")
        .await;
    slugs.replace('\n', ", ")
}

/// However many are rejected.
async fn lenient(db: &TestDb, file: &OldFile) -> ImportReport {
    let options = ImportOptions {
        allow_rejects: u64::MAX,
        ..ImportOptions::default()
    };
    let report = import(db, file, &options)
        .await
        .expect("it can be imported");
    assert_eq!(
        (report.outcome, report.hash_mismatches),
        (Outcome::Published, 0)
    );
    report
}

/// A post that the database has before the import.
async fn has(db: &TestDb, id: i64, slug: &str) {
    db.psql(&format!(
        "INSERT INTO authors (slug, name) VALUES ('here', 'Here') ON CONFLICT DO NOTHING;
         INSERT INTO posts (id, slug, title, excerpt, content, html, author_id, reading_time_minutes)
         SELECT {id}, '{slug}', 'Here before', '', 'x', 'x', id, 1 FROM authors WHERE slug = 'here'"
    ))
    .await;
}

#[tokio::test]
async fn the_lowest_number_keeps_an_address_and_the_others_are_numbered() {
    let db = TestDb::new().await;
    let same = [("slug", text("same"))];
    let long = "x".repeat(120);
    let file = OldFile::of(&[
        // Made from a title: whoever brought the same address itself comes first, also with a higher number.
        &[("slug", Value::Null), ("title", text("Same"))],
        &same,
        &[("slug", text("same-2"))],
        &same,
        &same,
        &[("slug", text(&long))],
        &[("slug", text(&long))],
    ]);
    let report = imported(&db, &file).await;
    // The first of those that are numbered met the third row's address, and came behind the others.
    let cut = &long[..118];
    assert_eq!(
        slugs(&db).await,
        format!("1 same-4, 2 same, 3 same-2, 4 same-5, 5 same-3, 6 {long}, 7 {cut}-2")
    );
    let blogs = &report.tables["blogs"];
    assert_eq!((blogs.imported, blogs.adjusted), (7, 4));
    assert_eq!(
        (
            blogs.reasons["slug_suffixed"],
            blogs.reasons["slug_derived"]
        ),
        (3, 1)
    );
}

#[tokio::test]
async fn an_address_that_the_database_has_or_had_is_taken() {
    let db = TestDb::new().await;
    has(&db, 1_000, "a-title").await;
    db.psql("UPDATE posts SET slug = 'moved-on'").await;
    let report = imported(&db, &OldFile::of(&[&[], &[("slug", text("moved-on"))]])).await;
    assert_eq!(slugs(&db).await, "1 a-title-2, 2 moved-on-2, 1000 moved-on");
    assert_eq!(report.tables["blogs"].reasons["slug_suffixed"], 2);
}

#[tokio::test]
async fn a_number_that_the_database_has_or_had_is_refused() {
    let db = TestDb::new().await;
    has(&db, 1, "one").await;
    has(&db, 2, "two").await;
    db.psql("DELETE FROM posts WHERE id = 2").await;
    let slug = |slug| [("slug", text(slug))];
    let report = lenient(&db, &OldFile::of(&[&slug("a"), &slug("b"), &slug("c")])).await;
    assert_eq!(slugs(&db).await, "1 one, 3 c");
    let blogs = &report.tables["blogs"];
    assert_eq!((blogs.source, blogs.imported, blogs.rejected), (3, 1, 2));
    assert_eq!(blogs.reasons["id_taken"], 2);
}

#[tokio::test]
async fn what_was_imported_and_edited_since_is_left_as_it_is() {
    let db = TestDb::new().await;
    let file = OldFile::of(&[&[], &[("slug", text("b"))], &[("slug", text("b"))]]);
    imported(&db, &file).await;
    db.psql("UPDATE posts SET title = 'Edited', updated_at = now() WHERE id = 1")
        .await;
    // A later state of the old file: one more row.
    file.add(&[("slug", text("b"))]);
    let report = lenient(&db, &file).await;
    assert_eq!(slugs(&db).await, "1 a-title, 2 b, 3 b-2, 4 b-3");
    assert_eq!(
        db.psql("SELECT title FROM posts WHERE id = 1").await,
        "Edited"
    );
    let blogs = &report.tables["blogs"];
    assert_eq!(
        (blogs.imported, blogs.rejected, blogs.reasons["id_taken"]),
        (3, 1, 1)
    );
    assert_eq!(
        blogs.reasons["slug_suffixed"], 2,
        "the one of before counts as well"
    );
}

#[tokio::test]
async fn what_has_no_date_is_known_again() {
    let db = TestDb::new().await;
    let undated = ("created_at", Value::Null);
    let file = OldFile::of(&[
        std::slice::from_ref(&undated),
        &[
            undated.clone(),
            ("slug", text("b")),
            ("status", text("draft")),
        ],
        &[undated.clone(), ("slug", text("c"))],
    ]);
    imported(&db, &file).await;
    db.psql("UPDATE posts SET excerpt = 'Edited' WHERE id = 3")
        .await;
    let report = lenient(&db, &file).await;
    let blogs = &report.tables["blogs"];
    assert_eq!(
        (blogs.imported, blogs.rejected, report.written_rows),
        (2, 1, 0)
    );
    assert_eq!(report.verified_rows, 2);
}

#[tokio::test]
async fn a_number_that_comes_twice_is_the_first_rows() {
    let db = TestDb::new().await;
    let file = OldFile::with(
        "CREATE TABLE blogs (id TEXT, title TEXT, author TEXT, content TEXT, created_at TEXT, status TEXT, slug TEXT)",
    );
    for (id, slug) in [("5", "a"), ("05", "b"), ("6", "c")] {
        file.add(&[("id", text(id)), ("slug", text(slug))]);
    }
    let report = lenient(&db, &file).await;
    assert_eq!(slugs(&db).await, "5 a, 6 c");
    assert_eq!(report.tables["blogs"].reasons["duplicate_id"], 1);
}

#[tokio::test]
async fn an_e_mail_address_belongs_to_one_author() {
    let db = TestDb::new().await;
    db.psql(
        "INSERT INTO authors (slug, name) VALUES ('cleo', 'Cleo');
         INSERT INTO author_emails (email, author_id) SELECT 'cleo@example.com', id FROM authors",
    )
    .await;
    let file = OldFile::new();
    let users = "INSERT INTO users (email, name) VALUES ('a@example.com', 'Ada'), (' a@example.com', 'ADA'),
                     ('a@example.com ', 'Bob'), ('cleo@example.com', 'cleo'), (' cleo@example.com', 'Dora')";
    file.db.execute_batch(users).expect("rows");
    let report = lenient(&db, &file).await;
    let emails = "SELECT a.name || ' ' || e.email FROM author_emails e JOIN authors a ON a.id = e.author_id ORDER BY 1";
    assert_eq!(
        db.psql(emails).await,
        "Ada a@example.com\nCleo cleo@example.com"
    );
    let users = &report.tables["users"];
    assert_eq!((users.source, users.imported, users.rejected), (5, 3, 2));
    assert_eq!(users.reasons["email_taken"], 2);
}
