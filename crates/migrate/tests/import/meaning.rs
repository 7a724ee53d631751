//! What a row means: every one is taken as what it says, or refused by name, and the file stays as it was.

use std::{fs, ops::ControlFlow, path::Path};

use jiff::Timestamp;
use prepnexus_migrate::import::{
    Adjustment, Blog, Examined, Handler, Reason, Refusal, SourceError, User, examine,
};
use rusqlite::{Connection, types::Value};

use crate::old_file::{OldFile, SCHEMA, bytes, text};

const NOW: Timestamp = Timestamp::constant(1_764_230_400, 0);

/// All that a file gave.
#[derive(Default)]
struct Taken {
    blogs: Vec<Blog>,
    users: Vec<User>,
    refused: Vec<(&'static str, i64, Refusal)>,
}

impl Handler for Taken {
    fn begin(&mut self, _rows: u64) {}

    fn blog(&mut self, _row_id: i64, blog: Blog) -> ControlFlow<()> {
        self.blogs.push(blog);
        ControlFlow::Continue(())
    }

    fn user(&mut self, _row_id: i64, user: User) -> ControlFlow<()> {
        self.users.push(user);
        ControlFlow::Continue(())
    }

    fn refused(&mut self, table: &'static str, row_id: i64, refusal: Refusal) -> ControlFlow<()> {
        self.refused.push((table, row_id, refusal));
        ControlFlow::Continue(())
    }
}

fn read(path: &Path) -> Result<(Examined, Taken), SourceError> {
    let mut taken = Taken::default();
    let examined = examine(path, NOW, &mut taken)?;
    for (table, count) in &examined.tables {
        assert_eq!(
            count.source,
            count.taken + count.refused + count.skipped,
            "{table}"
        );
    }
    Ok((examined, taken))
}

#[test]
fn what_is_certain_is_taken_as_what_it_means() {
    let rows: [&[(&str, Value)]; 9] = [
        &[],
        &[
            ("author", text("  Asha \t Rao ")),
            ("tags", text("dsa, SQL ,dsa")),
        ],
        &[("created_at", text("")), ("date", text("2024-05-02"))],
        &[
            ("created_at", Value::Null),
            ("published_at", Value::Integer(1_714_558_830)),
        ],
        &[("created_at", text("")), ("status", text(" PUBLISHED "))],
        &[("status", Value::Integer(0)), ("view_count", text("42"))],
        &[
            ("content", Value::Blob("<p>naïve</p>".into())),
            ("view_count", Value::Real(42.0)),
        ],
        &[("slug", Value::Null), ("title", text("Über SQL"))],
        &[
            ("slug", text("Not A Slug")),
            ("updated_at", text("2020-01-01")),
        ],
    ];
    let file = OldFile::of(&rows);
    let (examined, taken) = read(&file.path()).expect("a file of the old system");
    assert!(taken.refused.is_empty(), "{:?}", taken.refused);
    let of = |index: usize| &taken.blogs[index];
    let created = |index: usize| of(index).created_at.to_string();
    assert_eq!((of(0).id, of(0).slug.as_str()), (1, "a-title"));
    assert_eq!(
        of(0).published_at,
        Some(of(0).created_at),
        "it was published, at the latest then"
    );
    assert_eq!(
        (of(1).author.as_str(), of(1).tags.join("|")),
        ("Asha Rao", "dsa|SQL".into())
    );
    assert_eq!(created(2), "2024-05-02T00:00:00Z");
    assert_eq!(created(3), "2024-05-01T10:20:30Z");
    assert_eq!(
        (of(4).created_at, of(4).status.as_str()),
        (NOW, "published")
    );
    assert_eq!(
        (of(5).status.as_str(), of(5).view_count, of(5).published_at),
        ("draft", 42, None)
    );
    assert_eq!(
        (of(6).content.as_str(), of(6).view_count),
        ("<p>naïve</p>", 42)
    );
    assert_eq!(of(7).slug.as_str(), "uber-sql");
    assert_eq!(of(7).adjustments, [Adjustment::SlugDerived]);
    assert_eq!(of(8).slug.as_str(), "not-a-slug");
    assert_eq!(of(8).updated_at, of(8).created_at);
    let count = &examined.tables["blogs"];
    assert_eq!((count.source, count.taken, count.adjusted), (9, 9, 2));
}

#[test]
fn what_is_not_certain_is_refused_with_its_value() {
    let file = OldFile::new();
    let long = "x".repeat(10_000);
    let cases: Vec<(&str, Value, Reason, Vec<u8>)> = vec![
        (
            "title",
            bytes(b"caf\xe9"),
            Reason::InvalidUtf8,
            b"caf\xe9".to_vec(),
        ),
        (
            "content",
            text("before\0after"),
            Reason::NulByte,
            b"before\0after".to_vec(),
        ),
        (
            "content",
            Value::Blob(vec![128, 255]),
            Reason::InvalidUtf8,
            vec![128, 255],
        ),
        (
            "view_count",
            text("many"),
            Reason::NotAnInteger,
            b"many".to_vec(),
        ),
        (
            "view_count",
            Value::Real(12.7),
            Reason::NotAnInteger,
            b"12.7".to_vec(),
        ),
        (
            "view_count",
            Value::Integer(-1),
            Reason::Negative,
            b"-1".to_vec(),
        ),
        (
            "title",
            text(" \t\n"),
            Reason::MissingTitle,
            b" \t\n".to_vec(),
        ),
        (
            "title",
            text(&long),
            Reason::TooLong,
            long.clone().into_bytes(),
        ),
        ("author", text(" "), Reason::MissingAuthor, b" ".to_vec()),
        ("content", text(""), Reason::MissingContent, Vec::new()),
        (
            "status",
            text("publshed"),
            Reason::UnknownStatus,
            b"publshed".to_vec(),
        ),
        (
            "created_at",
            text("soon"),
            Reason::BadDate,
            b"soon".to_vec(),
        ),
        (
            "updated_at",
            text("0000-00-00 00:00:00"),
            Reason::BadDate,
            b"0000-00-00 00:00:00".to_vec(),
        ),
        (
            "tags",
            text("[\"dsa\", \"sq"),
            Reason::BadTags,
            b"[\"dsa\", \"sq".to_vec(),
        ),
        ("id", Value::Integer(-7), Reason::BadId, b"-7".to_vec()),
    ];
    for (column, value, ..) in &cases {
        file.add(&[(column, value.clone())]);
    }
    let (examined, taken) = read(&file.path()).expect("a file of the old system");
    assert!(taken.blogs.is_empty(), "{:?}", taken.blogs);
    for (column, _, reason, value) in &cases {
        let refusal = Refusal {
            column,
            reason: *reason,
            value: value.clone(),
        };
        let is_there = taken.refused.iter().any(|(_, _, other)| *other == refusal);
        assert!(is_there, "{column} {}", reason.as_str());
    }
    let count = &examined.tables["blogs"];
    assert_eq!(count.refused, cases.len() as u64);
    assert_eq!(count.reasons.values().sum::<u64>(), count.refused);
    assert_eq!(count.reasons["invalid_utf8"], 2);
}

#[test]
fn accounts_are_authors_and_what_has_no_place_is_counted() {
    let file = OldFile::new();
    file.db.execute_batch(
        "INSERT INTO users (email, name, created_at) VALUES
             ('ada@example.com', ' Ada  Lovelace ', '2020-01-01'), ('bob@example.com', NULL, NULL), ('nobody', 'X', NULL);
         INSERT INTO jobs (title) VALUES ('Engineer'), ('Writer');",
    )
    .expect("rows");
    let (examined, taken) = read(&file.path()).expect("a file of the old system");
    let names: Vec<&str> = taken.users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["Ada Lovelace", "bob"]);
    assert_eq!(examined.tables["users"].reasons["missing_email"], 1);
    assert_eq!(examined.tables["jobs"].reasons["no_target_table"], 2);
    assert_eq!(examined.tables["jobs"].skipped, 2);
}

#[test]
fn rows_in_the_log_of_a_killed_program_count_and_the_file_stays_as_it_was() {
    let file = OldFile::with(
        "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x)",
    );
    file.db.execute_batch(SCHEMA).expect("its tables");
    file.db
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("a checkpoint");
    file.add(&[]);
    // As it is when the program is killed now.
    let killed = file.beside("killed.sqlite");
    fs::copy(file.path(), &killed).expect("a copy");
    fs::copy(
        file.beside("old.sqlite-wal"),
        file.beside("killed.sqlite-wal"),
    )
    .expect("a copy");
    let before = file.all();
    let (_, taken) = read(&killed).expect("a file of the old system");
    assert_eq!(taken.blogs.len(), 1);
    assert_eq!(file.all(), before);
}

#[test]
fn what_is_no_file_of_the_old_system_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("old.sqlite");
    let error = |path: &Path| {
        read(path)
            .map(|_| ())
            .expect_err("nothing to read")
            .to_string()
    };
    assert!(error(&path).starts_with("can't read "), "{}", error(&path));
    fs::write(
        &path,
        "no database, but long enough to be looked at by SQLite".repeat(99),
    )
    .expect("a file");
    assert!(
        error(&path).ends_with("not a database that SQLite can read"),
        "{}",
        error(&path)
    );
    fs::remove_file(&path).expect("it is there");
    let db = Connection::open(&path).expect("a file");
    db.execute_batch("CREATE TABLE blogs (id INTEGER PRIMARY KEY, title TEXT)")
        .expect("a table");
    drop(db);
    assert!(error(&path).contains("no table blogs with the columns id, title, content, author"));
}
